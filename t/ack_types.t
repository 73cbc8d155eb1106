#!/usr/bin/perl

# plum_ack for some types of events: which answer the sender gets, the first
# time and as a duplicate; and what nginx -t says.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $SECRET = 'correct horse battery staple';
my $ANSWER = '{"challenge":"an answer that the sender waits for"}';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_store mem memory:1m;
    plum_tls off;
    plum_signature github secret=key;
    plum_allowlist types { event_type type; allow id type challenge; }
    plum_allowlist header { event_type header:X-Type; allow id challenge; }
    plum_allowlist few {
        event_type type; allow id; allow challenge for=a,b;
        unlisted acknowledge;
    }
    upstream u { server 127.0.0.1:%%PORT_up%%; }
    server {
        listen 127.0.0.1:%%PORT_0%%;

        location /slack {
            plum on;
            plum_allow types;
            plum_ack off for=url_verification;
            proxy_pass http://u;
        }
        location /codes {
            plum on;
            plum_allow types;
            plum_ack 204 for=a.*;
            plum_ack off for=a.b,c;
            plum_ack 201 for=c,d;
            plum_ack 202;
            proxy_pass http://u;
        }
        location /header {
            plum on;
            plum_allow header;
            plum_ack off for=url_verification;
            proxy_pass http://u;
        }
        location /few {
            plum on;
            plum_allow few;
            plum_ack 204 for=b,z;
            proxy_pass http://u;
        }
        location /kept {
            plum on;
            plum_allow types;
            plum_idempotency mem answer=1k;
            plum_idempotency_key $plum_body_sha256;
            plum_ack 202;
            plum_ack off for=url_verification;
            proxy_pass http://u;
        }
        location /off {
            plum on;
            plum_allow types;
            plum_ack off;
            plum_ack 204 for=quiet;
            proxy_pass http://u;
        }
        location /outer {
            plum_allow types;
            plum_ack 202;
            plum_ack off for=a;
            location /outer/none { plum on; proxy_pass http://u; }
            location /outer/code {
                plum on;
                plum_ack 204;
                proxy_pass http://u;
            }
            location /outer/type {
                plum on;
                plum_ack off for=b;
                proxy_pass http://u;
            }
        }
    }
}
CONF
$t->run;

succeed($_)
    for qw(/slack /codes /header /few /kept /off /outer/none /outer/code
        /outer/type);

passes('/slack', 'url_verification');
bare('/slack', $_, 200) for qw(event_callback url_verificatio
    url_verification2 URL_verification), '', undef;
bare('/slack', $_, 200, body => qq({"type":$_}))
    for qw(null 5 {} ["url_verification"]);
passes('/slack', 'escaped',
    body => '{"type":"url\u005fverification","id":1}');

bare('/codes', 'a.', 204);
bare('/codes', 'a.b', 204);
bare('/codes', 'a.b.c', 204);
passes('/codes', 'c');
bare('/codes', 'd', 201);
bare('/codes', 'a', 202);
bare('/codes', 'e', 202);

passes('/header', 'none', headers => {'x-type' => 'url_verification'});
bare('/header', 'url_verification', 200, headers => {'x-type' => 'other'});
bare('/header', 'url_verification', 200);

bare('/few', 'a', 200);
bare('/few', 'b', 204);
my $before = $up->requests;
bare('/few', 'z', 204);
bare('/few', 'y', 200);
is(scalar $up->requests, $before, 'unlisted: not forwarded');

passes('/off', 'loud');
bare('/off', 'quiet', 204);

passes('/outer/none', 'a');
bare('/outer/none', 'b', 202);
passes('/outer/code', 'a');
bare('/outer/code', 'b', 204);
bare('/outer/type', 'a', 202);
passes('/outer/type', 'b');

duplicates();
failures();
configurations();
bare('/slack', 'in the end', 200);
$t->done_testing;


sub succeed {
    my ($path) = @_;

    $up->on($path, status => 200, body => $ANSWER, headers =>
        [['content-type', 'application/json'], ['x-internal', 'yes']]);
    return;
}


sub deliver {
    my ($uri, $type, %opt) = @_;

    my $n = ++$serial;
    $opt{body} = defined $type ? qq({"id":$n,"type":"$type"}) : qq({"id":$n})
        if !defined $opt{body};
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        %opt);
}


sub passes {
    my ($uri, $type, %opt) = @_;

    my $r = deliver($uri, $type, %opt);
    is($r->status, 200, "$uri, $type: status");
    is($r->body, $ANSWER, "$uri, $type: the upstream's answer");
    is($r->header('content-type'), 'application/json', "$uri, $type: type");
    return;
}


sub bare {
    my ($uri, $type, $code, %opt) = @_;

    my $what = "$uri, " . ($opt{body} || $type // 'no type');
    my $r = deliver($uri, $type, %opt);
    is($r->status, $code, "$what: $code");
    is($r->body, '', "$what: nothing else");
    is($r->header('x-internal'), undef, "$what: no header");
    return;
}


sub duplicates {
    my @twice = (body => '{"type":"url_verification","id":"twice"}');
    my $before = $up->requests;
    passes('/kept', 'first', @twice);
    passes('/kept', 'duplicate', @twice);
    is(scalar $up->requests, $before + 1, 'forwarded once');

    @twice = (body => '{"type":"other","id":"twice"}');
    bare('/kept', 'first', 202, @twice);
    bare('/kept', 'duplicate', 202, @twice);
    is(scalar $up->requests, $before + 2, 'the other one, too');
    return;
}


# a handshake that fails is no success, and its copy is forwarded

sub failures {
    my @twice = (body => '{"type":"url_verification","id":"failed"}');
    $up->on('/kept', status => 500, body => 'no');
    is(deliver('/kept', undef, @twice)->status, 500, 'a failure passes');
    succeed('/kept');
    passes('/kept', 'again', @twice);
    return;
}


sub configurations {
    my $said = sub {
        my ($list, @lines) = @_;
        my $conf = join "\n", '%%GLOBALS%%', 'events {}', 'http {',
            '%%HTTP_GLOBALS%%', 'plum_secret key %%TESTDIR%%/key;',
            'plum_store mem memory:1m;', 'plum_tls off;',
            'plum_idempotency_key $plum_body_sha256;',
            "plum_allowlist l { $list allow a; }", 'server {',
            'listen 127.0.0.1:%%PORT_0%%;', 'location / {', 'plum on;',
            'plum_signature github secret=key;', 'plum_allow l;', @lines,
            'proxy_pass http://127.0.0.1:9;', '}', '}', '}';
        my ($status, $text) = $t->test_config($conf);
        return join ' ', $status, map { s/\A.*(\[(?:warn|emerg)\])/$1/r }
            grep { /\[(?:warn|emerg)\]/ } split /\n/, $text;
    };
    my $plain = 'plum_idempotency mem;';
    my $is = sub {
        my ($what, $want, @args) = @_;
        like($said->(@args), qr/\A\Q$want\E/, "nginx -t: $what");
    };

    is($said->('event_type t;', $plain, 'plum_ack off for=a,b.*;',
        'plum_ack 202;'), 0, 'nginx -t: right');
    $is->('no event type', '1 [emerg] "for=" of "plum_ack" needs an '
        . '"event_type" in allowlist "l"', '', $plain, 'plum_ack off for=a;');
    $is->('the built-in list', '1 [emerg] "for=" of "plum_ack" needs an '
        . '"event_type" in allowlist "all"', 'event_type t;', $plain,
        'plum_ack off for=a;', 'location /b { plum_allow all; }');
    $is->('no code', '1 [emerg] invalid code "yes", it must be "off" or from '
        . '200 to 299', 'event_type t;', $plain, 'plum_ack yes for=a;');
    $is->('no parameter', '1 [emerg] unknown parameter "four=a"',
        'event_type t;', $plain, 'plum_ack off four=a;');
    $is->('no type', '1 [emerg] an event name is empty in "for="',
        'event_type t;', $plain, 'plum_ack off for=;');
    $is->('an empty type', '1 [emerg] an event name is empty in "for=a,"',
        'event_type t;', $plain, 'plum_ack off for=a,;');
    $is->('a star within', '1 [emerg] event pattern "a*b"', 'event_type t;',
        $plain, 'plum_ack off for=a*b;');
    $is->('two without types', '1 [emerg] "plum_ack" directive is duplicate',
        'event_type t;', $plain, 'plum_ack off; plum_ack 200;');
    $is->('answers that nobody gets', '0 [warn] "answer=" without "plum_ack '
        . 'off"', 'event_type t;', 'plum_idempotency mem answer=1k;',
        'plum_ack 201 for=a;');
    is($said->('event_type t;', 'plum_idempotency mem answer=1k;',
        'plum_ack off for=a;'), 0, 'nginx -t: answers for some');
    return;
}
