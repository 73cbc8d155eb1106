#!/usr/bin/perl

# The type of an event in a header or a variable: what is kept, what is
# unlisted, and what nginx -t says of a type that no signature covers.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $SECRET = 'correct horse battery staple';
my $BODY = '{"action":"opened","ref":"main","issue":{"number":7,"a":1}}';
my %CLEAN = (
    push => '{"action":"opened","ref":"main"}',
    issues => '{"action":"opened","issue":{"number":7}}',
    'issues.closed' => '{"action":"opened"}',
);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(conf());
$t->run;

from_header('/header', 'x-github-event');
from_header('/variable', 'x-github-event');
from_header('/map', 'x-kind', map { $_ => "kind of $_" } keys %CLEAN);
covered();
arguments();
observed();
over_http2();
warnings_of_a_type();
deliver('in the end, a good one', '/header', 'push');
$t->done_testing;


sub conf {
    my $rules = 'allow action; allow ref for=push; '
        . 'allow issue.number for=issues; allow a for=issues*;';
    my $locations = join "\n", map { location(@$_) }
        ['header', 'header'], ['variable', 'variable'], ['map', 'map'],
        ['acknowledge', 'acknowledge'], ['argument', 'argument'],
        ['observe', 'header', 'plum_mode observe;'],
        ['covered', 'header', '', 'hmac header=x-sig '
            . '"content={header:X-GitHub-Event}|{body}"'];

    return <<"CONF";
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$http_x_n \$status \$plum_verdict \$plum_reason '
        '[\$plum_event_type]';
    plum_secret key %%TESTDIR%%/key;
    plum_tls off;
    map \$http_x_kind \$kind {
        default       '';
        ~^kind.of.(?<what>.*)\$  \$what;
    }
    plum_allowlist header { event_type header:X-GitHub-Event; $rules }
    plum_allowlist variable { event_type \$http_x_github_event; $rules }
    plum_allowlist map { event_type \$kind; $rules }
    plum_allowlist argument { event_type \$arg_type; $rules }
    plum_allowlist acknowledge {
        event_type header:x-github-event; $rules unlisted acknowledge;
    }
    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;
        $locations
    }
}
CONF
}


sub location {
    my ($name, $list, $more, $scheme) = @_;

    $more //= '';
    $scheme //= 'github';
    return "location /$name { plum on; plum_allow $list; $more "
        . "plum_signature $scheme secret=key; "
        . 'proxy_pass http://127.0.0.1:%%PORT_up%%; }';
}


# a delivery of that type (undef: known), and the reason if it is refused

sub deliver {
    my ($what, $uri, $type, $reason, %opt) = @_;

    my $n = ++$serial;
    my @types = ref $type ? @$type : defined $type ? $type : ();
    my $header = delete $opt{name} || 'x-github-event';
    my $as = delete $opt{as};
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => $BODY, uri => $uri, %opt);
    push @{$request{headers}}, ['x-n', $n], map { [$header, $_] } @types;

    $up->forget;
    my $r = $t->request(%request);
    $as = $types[0] if !defined $as && !$reason;
    is($r->status, !$reason ? 200 : $reason eq 'event_unlisted' ? 422 : 401,
        "$what: status");
    my $verdict = $reason ? "refused $reason" : 'accepted -';
    my ($line) = $t->wait_log(qr/\A$n /, 3, 'access.log');
    like($line, qr/\A$n \d+ \Q$verdict\E \[/, "$what: verdict");
    my ($logged) = $line =~ /\[(.*)\]/;
    is($logged, defined $as && $as ne '' ? $as : '-', "$what: type")
        if defined $as;
    return ($up->requests)[-1];
}


sub from_header {
    my ($uri, $header, %spelt) = @_;

    my $spell = sub { $spelt{$_[0]} || $_[0] };
    for my $type (sort keys %CLEAN) {
        my $got = deliver("$uri: $type", $uri, $spell->($type), undef,
            name => $header, as => $type);
        is($got->{body}, $CLEAN{$type}, "$uri: $type: body");
        is($up->header($got, $header), $spell->($type),
            "$uri: $type: the header goes on");
    }

    my $unlisted = sub {
        my ($what, $types, $as) = @_;
        my $got = deliver("$uri: $what", $uri, $types, 'event_unlisted',
            name => $header, as => $as);
        is($got, undef, "$uri: $what: not forwarded");
        deliver("$uri: ... and a good one", $uri, $spell->('push'), undef,
            name => $header, as => 'push');
    };
    $unlisted->('no type', undef, '');
    $unlisted->('an empty type', '', '');
    $unlisted->('another type', $spell->('ping'), %spelt ? '' : 'ping');
    $unlisted->('another case', $spell->('Push'), %spelt ? '' : 'Push');
    $unlisted->('two types', ['push', 'push'], '') if $uri eq '/header';
    deliver("$uri: forged", $uri, $spell->('push'), 'credential_mismatch',
        name => $header, secret => 'another key', as => '');
    return;
}


sub covered {
    my %sign = (scheme => 'hmac', header => 'x-sig',
        content => '{header:X-GitHub-Event}|{body}',
        extra => {'x-github-event' => 'push'});

    is(deliver('covered', '/covered', 'push', undef, %sign)->{body},
        $CLEAN{push}, 'covered: its fields');
    deliver('under another type', '/covered', 'issues',
        'credential_mismatch', %sign, as => '');
    deliver('under two types', '/covered', ['push', 'issues'],
        'credential_malformed', %sign);
    deliver('without a type', '/covered', undef, 'credential_missing',
        %sign);
    return;
}


sub arguments {
    is(deliver('argument', '/argument?type=issues', undef, undef,
        as => 'issues')->{body}, $CLEAN{issues}, 'argument: its fields');
    deliver('no argument', '/argument', undef, 'event_unlisted', as => '');

    is(deliver('acknowledged: listed', '/acknowledge', 'push')->{body},
        $CLEAN{push}, 'acknowledged: its fields');
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => $BODY, uri => '/acknowledge');
    push @{$request{headers}}, ['x-n', ++$serial], ['X-GitHub-Event', 'ping'];
    $up->forget;
    is($t->request(%request)->status, 200, 'unlisted: acknowledged');
    is(scalar $t->wait_log(qr/\A$serial /, 3, 'access.log'),
        "$serial 200 dropped - [ping]", 'unlisted: dropped');
    is(scalar($up->requests), 0, 'unlisted: not forwarded');
    return;
}


sub observed {
    is(deliver('observe', '/observe', 'push')->{body}, $BODY,
        'observe: the whole body');
    return;
}


sub over_http2 {
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => $BODY, uri => '/header');
    push @{$request{headers}}, ['x-github-event', 'issues'];
    $up->forget;
    is($t->client('h2')->h2(%request)->status, 200, 'HTTP/2: status');
    is(($up->requests)[-1]{body}, $CLEAN{issues}, 'HTTP/2: its fields');
    return;
}


# what nginx -t says of a list with that event type, under these lines

sub said {
    my ($type, @lines) = @_;

    my $conf = join "\n", '%%GLOBALS%%', 'events {}', 'http {',
        '%%HTTP_GLOBALS%%', 'plum_secret key %%TESTDIR%%/key;',
        'plum_store mem memory:1m;', 'map $http_x_kind $kind { default a; }',
        "plum_allowlist l { event_type $type; allow a for=b; }",
        'server {', 'listen 127.0.0.1:%%PORT_0%%;', 'plum_tls off;',
        'plum_idempotency mem;', 'plum_idempotency_key $plum_body_sha256;',
        'plum_allow l;', 'location / {', 'plum on; #!', @lines,
        'proxy_pass http://127.0.0.1:9;', '}', '}', '}';
    my ($status, $said) = $t->test_config($conf);
    return ($status, map { s/.*\[(?:warn|emerg)\]\x20//r }
        grep { /\[(?:warn|emerg)\]/ } split /\n/, $said);
}


sub warnings_of_a_type {
    my $sign = sub { map { "plum_signature $_ secret=key;" } @_ };
    my $with = 'hmac header=x-sig "content={header:X-Kind}|{uri}|{body}"';
    my $in = qr/\ in\ \S+config-test\.conf:\d+\z/x;
    my $ends = 'is the event type of allowlist "l": a recorded delivery can '
        . 'be sent again as another type';

    my $silent = sub {
        my ($type, @lines) = @_;
        my ($status, @said) = said($type, $sign->(@lines));
        is("$status @said", '0 ', "$type under @lines: nothing is said");
    };
    my $warned = sub {
        my ($text, $type, @lines) = @_;
        my ($status, @said) = said($type, $sign->(@lines));
        is($status, 0, "$type under @lines: allowed");
        is(scalar @said, 1, "$type under @lines: one warning") or diag(@said);
        like($said[0], qr/\A\Q$text\E$in/, "$type under @lines: said");
    };

    # what is covered, and what is as good as the body: a key covers neither
    $silent->($_, $with) for qw(header:X-Kind header:x-kind $http_x_kind
        $arg_a $args $request_uri $query_string), 'type';
    $silent->('header:X-Kind', $_)
        for 'api-key', 'body-token path=token';
    $silent->('header:X-Kind', $with, 'github');
    $silent->('header:webhook-id', 'standard-webhooks');
    $silent->('$http_webhook_timestamp', 'standard-webhooks');

    $warned->(qq(no signature covers the header "X-Kind", which $ends),
        'header:X-Kind', @$_) for ['github'], ['shopify'],
        ['standard-webhooks'], ['github', 'shopify'];
    $warned->(qq(no signature covers the header "X-Kinds", which $ends),
        'header:X-Kinds', $with);
    $warned->(qq(no signature is known to cover the variable "$_", which )
        . $ends, $_, 'github') for qw($http_x_kind $arg_a $kind $remote_user);
    $warned->(qq(no signature is known to cover the variable "\$kind", which )
        . $ends, '$kind', $with);

    my ($status, @said) = said('header:X-Kind', $sign->($with, 'github'),
        'plum_satisfy any;');
    is("$status @said[1 .. $#said]", '0 ', 'one covers, any is enough');
    like($said[0], qr/\Anot every signature covers the header "X-Kind"/,
        'one covers, any is enough: said');
    ($status, @said) = said('header:X-Kind', $sign->($with, 'api-key'),
        'plum_satisfy any;');
    is("$status @said", '0 ', 'one covers, or a key: nothing is said');

    for my $case (['$t', '"event_type" of allowlist "l" is the captured '
        . 'variable "$t", which has no value until the body is stripped: '
        . 'write the path "a.type" there'],
        ['header:', 'invalid header name in "header:"'],
        ['header:a b', 'invalid header name in "header:a b"'],
        ['$nothing', 'unknown "nothing" variable'])
    {
        my ($type, $text) = @$case;
        my ($status, @said) = said("'$type'", $sign->('github'),
            'plum_capture $t a.type;');
        is($status, 1, "$type: refused");
        like($said[-1] || '', qr/\A\Q$text\E/, "$type: said");
    }
    return;
}
