#!/usr/bin/perl

# plum_mode observe: judged as ever, but nothing is refused and nothing is
# changed; the log and the variables say what would have been.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Cases;
use Test::Plum::Process qw(poll_until unread);

my $SECRET = 'a secret of many bytes 0123456789';
my $OTHER = 'another secret of many bytes';
my $BODY = ' { "event" : "offer.x", "id": 1, "pin": "0042" } ';
my $MAX = 1000;

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up, good => sub { return sign() });
my (%seen, $n);

$t->secret('key', $SECRET);
configure('observe');
$t->run;
my @workers = $t->workers;

as_received();
would_refuse();
late_chunk();
answers();
idempotency();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
is_deeply([sort grep { !$seen{$_} } $t->error_log =~ /would refuse \((\w+)\)/g],
    [], 'no other reason in the log');
unlike($t->error_log, qr/plum: refused/, 'and no word of refusing');
switch();

$cases->finish;
$t->done_testing;


sub configure {
    my ($mode) = @_;

    $t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    @{[Test::Plum::Cases->log_format]}
    log_format more '\$http_x_n \$plum_bytes_in \$plum_bytes_out '
                    '\$plum_dropped \$plum_dedupe \$plum_event_type \$plum_body';
    plum_secret key %%TESTDIR%%/key;
    plum_store deliveries memory:1m;
    plum_allowlist offers {
        event_type event;
        allow id for=offer.*;
        unlisted refuse;
    }
    plum_allowlist dropping {
        event_type event;
        allow id for=offer.*;
        unlisted acknowledge;
    }
    plum_mode $mode;
    plum_signature standard-webhooks secret=key;
    plum_allow offers;
    plum_max_body $MAX;
    plum_capture \$id id;
    client_max_body_size 10m;
    client_body_buffer_size 16k;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        @{[Test::Plum::Cases->access_log]}
        access_log %%TESTDIR%%/more.log more;
        location / {
            plum on;
            plum_tls off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /tls {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /drop {
            plum on;
            plum_tls off;
            plum_allow dropping;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /once {
            plum on;
            plum_tls off;
            plum_idempotency deliveries in_flight=wait:30s;
            plum_idempotency_key \$id;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
    return;
}


sub sign {
    my (%opt) = @_;
    return $t->signed(scheme => 'standard-webhooks', secret => $SECRET,
        body => $BODY, %opt);
}


# --- what passes as it is

sub as_received {
    $cases->accept('a genuine one', {sign(headers => {
        digest => 'sha-256=x', 'x-more' => 'more'})}, secret => 'key#1');
    my ($got) = $up->wait_for(1);
    like($up->header($got, 'webhook-signature'), qr/\Av1,/,
        'with its signature');
    is($up->header($got, 'content-length'), length $BODY, 'its length');
    is($up->header($got, 'digest'), 'sha-256=x', 'its digest');
    is($up->header($got, 'x-more'), 'more', 'and what else it had');

    my $line = $t->wait_log(qr/\A1 /, 5, 'more.log');
    is($line, '1 ' . length($BODY) . ' 8 2 off offer.x {\x22id\x22:1}',
        'the variables say what would have been forwarded');

    $cases->accept('in chunks', {sign(chunked => [7])});
    $cases->accept('in pieces',
        {sign(pieces => 5, delay => 0.01, expect => 1)});
    return;
}


# --- what would have been refused

sub would {
    my ($reason, $what, $request, %want) = @_;

    $seen{$reason}++;
    my $lines = () = $t->error_log =~ /would refuse \($reason\)/g;
    $cases->accept("$reason: $what", $request, verdict => 'refused',
        reason => $reason, %want);
    ok(poll_until(sub {
        return $lines + 1 == (() = $t->error_log
            =~ /would refuse \($reason\)/g);
    }, 3), 'one line in the log');
    return;
}


sub would_refuse {
    my $event = sub { ' {"event":"' . $_[0] . '", "id":1}' };

    would('tls_required', 'plain HTTP', {sign(uri => '/tls')});
    would('method', 'GET', {method => 'GET'}, body => '');
    would('method', 'PUT', {sign(method => 'PUT')});
    would('content_type', 'a form',
        {sign(headers => {'content-type' => 'text/plain'})});
    would('content_encoding', 'gzip',
        {sign(headers => {'content-encoding' => 'gzip'})});
    would('credential_missing', 'no signature',
        {sign(headers => {'webhook-signature' => undef})});
    would('credential_malformed', 'not base64',
        {sign(headers => {'webhook-signature' => 'v1,&'})});
    would('credential_mismatch', 'another key', {sign(secret => $OTHER)});
    would('credential_mismatch', 'another key, in chunks',
        {sign(secret => $OTHER, chunked => [10])});
    would('timestamp_stale', 'an old one', {sign(ts => 1)});
    would('json_invalid', 'no JSON', {sign(body => '{"id":')});
    would('json_invalid', 'no body', {sign(body => '')});
    would('json_invalid', 'a name twice', {sign(body => '{"id":1,"id":2}')});
    would('event_unlisted', 'another event', {sign(body => $event->('x'))});
    $cases->accept('would be dropped', {sign(uri => '/drop',
        body => $event->('x'))}, verdict => 'dropped');

    for my $size ($MAX + 1, 100_000, 3_000_000) {
        my $body = '{"id":"' . 'x' x ($size - 9) . '"}';
        would('body_too_large', "$size bytes", {sign(body => $body)});
        would('body_too_large', "$size bytes in chunks",
            {sign(body => $body, chunked => [$size > 1e6 ? 65_536 : 500])});
        would('credential_mismatch', "$size bytes, another key",
            {sign(body => $body, secret => $OTHER)})
            if $size <= $MAX;
    }
    return;
}


# a chunk's size comes alone, and then more than plum_max_body at once

sub late_chunk {
    my $body = '{"id":"' . 'x' x 4087 . '"}';
    my %request = sign(body => $body);
    my $client = $t->client(0);

    $client->write($client->head(%request, chunked => 1));
    $client->write(sprintf "%x\r\n", length $body);
    ok(poll_until(sub { !unread($t->port(0)) }, 5), 'the size is read');
    $client->write("$body\r\n0\r\n\r\n");
    is($client->read_response->status, 200, 'a late chunk');
    is(($up->requests)[-1]{body}, $body, 'is forwarded');
    return;
}


# --- the upstream's answers are the sender's

sub answers {
    my @headers = (['Set-Cookie', 'a=b'], ['X-Internal', 'yes']);

    for my $status (200, 201, 204, 302, 404, 500) {
        for my $secret ($SECRET, $OTHER) {
            my $body = $status == 204 ? '' : 'from inside';
            $up->script({status => $status, body => $body,
                headers => [@headers]});
            my $r = $cases->accept("$status passes",
                {sign(secret => $secret)}, status => $status,
                $secret eq $OTHER ? (verdict => 'refused',
                    reason => 'credential_mismatch') : ());
            is($r->body, $body, 'its body');
            is($r->header('x-internal'), 'yes', 'its headers');
        }
    }
    return;
}


# --- copies

sub idempotency {
    my $copy = sub { return {sign(uri => '/once', body => $_[0])} };
    my $one = '{"event":"offer.x","id":"one"}';
    my $two = '{"event":"offer.x","id":"two"}';

    $cases->accept('the first', $copy->($one));
    $cases->accept('its copy is forwarded', $copy->($one),
        verdict => 'duplicate');
    would('key_missing', 'no key', $copy->('{"event":"offer.x"}'));

    # one that failed is no duplicate the next time
    $up->script({status => 500});
    $cases->accept('one that fails', $copy->($two), status => 500);
    $up->script({gate => 'slow'});
    my $slow = $t->client(0);
    $slow->request(%{$copy->($two)}, no_read => 1);
    poll_until(sub {
        return grep { $_->{body} eq $two } ($up->requests)[-1] }, 5);
    would('in_flight', 'its copy does not wait', $copy->($two));
    $up->open_gate('slow');
    is($slow->read_response->status, 200, 'the first of them');
    $cases->accept('a third one', $copy->($two), verdict => 'duplicate');
    return;
}


sub switch {
    configure('enforce');
    $cases->reload;

    $cases->accept('enforced: a genuine one', {sign()}, body => '{"id":1}');
    $cases->{good_body} = '{"id":1}';
    for my $case (['credential_mismatch', secret => $OTHER],
        ['method', method => 'GET'], ['tls_required', uri => '/tls'],
        ['json_invalid', body => '{'], ['event_unlisted', body => '{}'],
        ['body_too_large', body => '{"id":"' . 'x' x $MAX . '"}'],
        ['body_too_large', chunked => [100], body => '{"id":"' . 'x' x $MAX
            . '"}'])
    {
        my ($reason, @change) = @$case;
        $cases->refuse("enforced: $reason", {sign(@change)}, $reason);
    }
    $cases->accept('enforced: a duplicate that observing saw',
        {sign(uri => '/once', body => '{"event":"offer.x","id":"one"}')},
        verdict => 'duplicate', forwarded => 0);
    return;
}
