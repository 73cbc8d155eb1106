#!/usr/bin/perl

# conf/handshakes.conf: what a sender asks before it sends events is answered,
# and nothing else gets to the consumer that way: no body, no header, and no
# parameter but the one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum::Example qw(example);

my %SECRET = map { $_ => "the secret of $_, 0123456789" } qw(meta x slack);
$SECRET{graph} = 'TheKeyOfGraph0123456789';

my $t = example('handshakes.conf', lines => 165, secrets => {%SECRET,
    'meta-verify' => '"~(?:^|&)hub\.verify_token=s3cret(?:&|$)"  1;'});
my $up = $t->upstream('up8080');
$t->run;

my $BODY = '{"object":"page","value":[{"id":1}],"for_user_id":"5"}';
my %SCHEME = (
    '/meta' => [scheme => 'meta', secret => $SECRET{meta}],
    '/graph' => [scheme => 'api-key', secret => $SECRET{graph},
        header => 'x-gateway-key'],
    '/x' => [scheme => 'hmac', secret => $SECRET{x}, encoding => 'base64',
        header => 'x-twitter-webhooks-signature', prefix => 'sha256=',
        content => '{body}'],
);
my $serial = 0;

meta();
graph();
crc();
slack();
no_other_way($_) for sort keys %SCHEME;
limited();

$t->done_testing;


sub ask {
    my ($method, $uri, %more) = @_;

    $up->forget;
    return $t->request(port => 'listen443', tls => 1, method => $method,
        uri => $uri, %more);
}


sub received { return scalar(my @all = $up->requests) }


# an event that passes the gate

sub good {
    my ($uri, $what) = @_;

    $up->forget;
    my $r = $t->deliver(port => 'listen443', tls => 1, uri => $uri,
        @{$SCHEME{$uri}}, body => $BODY =~ s/\d(?=[^\d]*\z)/++$serial/er);
    is($r->status, 200, "$uri: a good one after $what");
    is(received(), 1, "$uri: forwarded");
    return;
}


sub refused {
    my ($what, $status, $method, $uri, %more) = @_;

    my $r = ask($method, $uri, %more);
    is($r->status, $status, $what);
    is(received(), 0, "$what: nothing is forwarded");
    return;
}


sub meta {
    my @all = ('hub.mode=subscribe', 'hub.verify_token=s3cret',
        'hub.challenge=1158201444');

    for my $args (join('&', @all), join('&', reverse(@all), 'more=1')) {
        my $r = ask('GET', "/meta?$args");
        is($r->status, 200, "meta: $args");
        is($r->body, '1158201444', 'the challenge');
        is($r->header('content-type'), 'text/plain', 'as text');
        is(received(), 0, 'the consumer is not asked');
    }

    for my $case (
        ['another token', $all[0], 'hub.verify_token=S3cret', $all[2]],
        ['more than the token', $all[0], "$all[1]x", $all[2]],
        ['in another name', $all[0], "x$all[1]", $all[2]],
        ['no token', @all[0, 2]],
        ['another mode', 'hub.mode=unsubscribe', @all[1, 2]],
        ['no challenge', @all[0, 1]],
        ['an empty one', @all[0, 1], 'hub.challenge='],
        ['a script', @all[0, 1], 'hub.challenge=<script>'],
        ['an escape', @all[0, 1], 'hub.challenge=%3Cscript%3E'],
        ['a long one', @all[0, 1], 'hub.challenge=' . '1' x 129],
    ) {
        my ($what, @args) = @$case;
        refused("meta: $what", 405, 'GET', '/meta?' . join '&', @args);
    }
    my $args = join '&', @all;
    refused('meta: POST', 401, 'POST', "/meta?$args", body => $BODY,
        headers => {'Content-Type' => 'application/json'});
    good('/meta', 'its handshake');
    return;
}


# the consumer decodes the token, and has nothing else of the request

sub graph {
    my $token = 'Validation%3a+Testing%20x-1_2.3%7e';

    $up->on('/handshake', headers => [['Content-Type', 'text/plain']],
        body => 'Validation: Testing x-1_2.3~');
    for my $case (
        ['POST', body => '', headers => {'Content-Type' => 'text/plain'}],
        ['POST', headers => {'X-Evil' => 1, 'Cookie' => 'a=b',
            'Idempotency-Key' => 'x', 'Content-Length' => 0}],
    ) {
        my ($method, %more) = @$case;
        my $r = ask($method, "/graph?validationToken=$token&evil=1", %more);
        is($r->status, 200, 'graph: its token');
        is($r->body, 'Validation: Testing x-1_2.3~', 'the answer');
        is($r->header('x-content-type-options'), 'nosniff', 'as it is');
        narrow("validationToken=$token");
    }

    for my $case (['a script', '<script>'], ['half an escape', 'a%2'],
        ['empty', ''], ['an ampersand', '&x'])
    {
        my ($what, $text) = @$case;
        refused("graph: $what", 401, 'POST', "/graph?validationToken=$text",
            body => $BODY, headers => {'Content-Type' => 'application/json'});
    }
    good('/graph', 'its handshake');
    return;
}


sub crc {
    my $answer = '{"response_token":"sha256=x"}';

    $up->on('/handshake', headers => [['Content-Type', 'application/json']],
        body => $answer);
    my $r = ask('GET', '/x?crc_token=Abc-123_&nonce=5',
        headers => {'X-Evil' => 1});
    is($r->status, 200, 'crc: its token');
    is($r->body, $answer, 'the answer of the consumer');
    narrow('crc_token=Abc-123_');

    refused('crc: a script', 405, 'GET', '/x?crc_token=%3Cscript');
    refused('crc: POST', 401, 'POST', '/x?crc_token=Abc', body => $BODY,
        headers => {'Content-Type' => 'application/json'});
    good('/x', 'its handshake');
    return;
}


# what the consumer gets of a handshake

sub narrow {
    my ($args) = @_;

    my ($got, @more) = $up->requests;
    is(scalar @more, 0, 'one request');
    is("$got->{method} $got->{uri}", "GET /handshake?$args",
        'the one parameter');
    is($got->{body}, '', 'no body');

    # newer ones keep the connection, and say so without a header
    is_deeply([grep { $_ ne 'connection' } map { lc $_->[0] }
        @{$got->{headers}}], ['host'], 'no header');
    return;
}


sub slack {
    my %to = (port => 'listen443', tls => 1, uri => '/slack',
        scheme => 'slack', secret => $SECRET{slack});
    my $ask = '{"token":"old","challenge":"3eZbrw1a",'
        . '"type":"url_verification"}';

    $up->on('/slack', headers => [['Content-Type', 'text/plain']],
        body => '3eZbrw1a');
    $up->forget;
    is($t->deliver(%to, body => $ask)->body, '3eZbrw1a', 'slack: challenge');
    is(($up->requests)[0]{body},
        '{"challenge":"3eZbrw1a","type":"url_verification"}', 'without token');

    my $event = '{"type":"event_callback","event_id":"Ev1","event":{"a":1}}';
    my $r = $t->deliver(%to, body => $event);
    is($r->status, 200, 'slack: an event');
    is($r->body, '', 'its answer stays inside');
    $up->forget;
    is($t->deliver(%to, body => $event)->status, 200, 'slack: its copy');
    is(received(), 0, 'not forwarded');

    is($t->deliver(%to, body => $ask =~ s/3e/4f/r, secret => 'x' x 20)
        ->status, 401, 'slack: a challenge that is not signed');
    is(received(), 0, 'not forwarded');
    return;
}


# a body on any way but through the gate

sub no_other_way {
    my ($uri) = @_;

    my %args = ('/meta' => 'hub.mode=subscribe&hub.verify_token=s3cret'
            . '&hub.challenge=1', '/graph' => 'validationToken=abc',
        '/x' => 'crc_token=abc');
    my %json = (headers => {'Content-Type' => 'application/json'});

    refused("$uri: directly", 404, $_, "/handshake$uri?$args{$uri}", %json,
        body => $BODY) for qw(GET POST);

    for my $method (qw(GET POST PUT)) {
        for my $chunked (0, [5]) {
            my $r = ask($method, "$uri?$args{$uri}", %json, body => $BODY,
                $chunked ? (chunked => $chunked) : ());
            my @bodies = grep { $_ ne '' } map { $_->{body} } $up->requests;
            is("@bodies", '', "$uri, $method: no body passes");
            isnt($r->status, 200, "$uri, $method: " . $r->status)
                if $uri ne '/meta' || $method ne 'GET';
        }
    }
    good($uri, 'those');
    return;
}


sub limited {
    my @status = map { ask('GET', '/x?crc_token=abc')->status } 1 .. 30;
    cmp_ok(scalar(grep { $_ == 429 } @status), '>', 0, 'limit_req');
    good('/x', 'many handshakes');
    return;
}
