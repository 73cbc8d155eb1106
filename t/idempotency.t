#!/usr/bin/perl

# One delivery, one forward: keys, duplicates, what counts as success, and
# answers that are kept for duplicates.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(workers => 4);
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$uri $status [$plum_verdict] [$plum_reason] '
                    '[$plum_dedupe] [$plum_key]';

    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:4m;
    plum_store large memory:32m;

    upstream u {
        server 127.0.0.1:%%PORT_up%%;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_capture $part part;
        plum_idempotency deliveries;
        plum_idempotency_key $uri $id;

        proxy_http_version 1.1;
        proxy_set_header Connection "";

        location / { plum on; proxy_pass http://u; }
        location /202 { plum on; plum_ack 202; proxy_pass http://u; }
        location /pass { plum on; plum_ack off; proxy_pass http://u; }

        location /parts {
            plum on;
            plum_idempotency_key $id $part;
            proxy_pass http://u;
        }

        location /short {
            plum on;
            plum_idempotency deliveries retention=1s lease=1s;
            proxy_pass http://u;
        }

        location /conflict {
            plum on;
            plum_idempotency deliveries success=2xx,409;
            proxy_pass http://u;
        }

        location /kept {
            plum on;
            plum_ack off;
            plum_idempotency deliveries answer=1k success=2xx,302,409;
            proxy_pass http://u;
        }

        location /kept/unbuffered {
            plum on;
            plum_ack off;
            plum_idempotency deliveries answer=1k;
            proxy_buffering off;
            proxy_pass http://u;
        }

        location /kept/large {
            plum on;
            plum_ack off;
            plum_idempotency large answer=4m;
            proxy_pass http://u;
        }

        location /bare {
            plum on;
            plum_idempotency deliveries answer=1k;
            proxy_pass http://u;
        }

        location /off {
            plum on;
            plum_idempotency off;
            proxy_pass http://u;
        }
    }
}
CONF
$t->run;

my $id = 0;

duplicates();
parts();
retention();
failures();
success_codes();
kept_answers();
large_answers();
without_idempotency();

$t->done_testing;


sub deliver {
    my ($uri, $body, %more) = @_;

    $body = qq({"id":"$body"}) if $body !~ /^\{/;
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => $body, %more);
}


sub next_id { return 'e' . ++$id }


# how many requests reached the upstream while code ran

sub forwards {
    my ($code) = @_;

    $up->forget;
    $code->();
    return scalar(my @all = $up->requests);
}


# the last line of the access log, which is written after the answer

sub logged {
    my ($regex, $what) = @_;

    my $ok = poll_until(sub {
        return ((split /\n/, $t->read_file('access.log'))[-1] || '')
            =~ $regex;
    }, 2);
    ok($ok, $what) or diag($t->read_file('access.log'));
    return;
}


sub duplicates {
    for my $case (['/', 200], ['/202', 202], ['/pass', 200]) {
        my ($uri, $code) = @$case;
        my $key = next_id();
        $up->answer(status => 201, body => 'internal',
            headers => [['X-Internal', 1]]);

        my $r;
        is(forwards(sub { $r = deliver($uri, $key) }), 1, "$uri: forwarded");
        is($r->status, $uri eq '/pass' ? 201 : $code, "$uri: answer");
        is($r->body, $uri eq '/pass' ? 'internal' : '', "$uri: its body");
        is(!!$r->header('x-internal'), $uri eq '/pass', "$uri: its headers");
        logged(qr/^$uri \d+ \[accepted\] \[-\] \[new\] \[.*\Q$key\E\]$/,
            "$uri: new");

        is(forwards(sub { $r = deliver($uri, $key) for 1 .. 5 }), 0,
            "$uri: duplicates are not forwarded");
        is($r->status, $code, "$uri: duplicate");
        is($r->body, '', "$uri: without a body");
        logged(qr/^$uri $code \[duplicate\] \[-\] \[duplicate\] \[.*$key\]$/,
            "$uri: in the log");

        is(forwards(sub { deliver($uri, next_id()) }), 1, "$uri: another");
    }
    $up->answer;
    return;
}


sub parts {
    my $send = sub {
        my ($id, $part) = @_;
        return deliver('/parts', qq({"id":"$id","part":"$part"}))->status;
    };

    is(forwards(sub {
        is($send->('order', $_), 200, $_) for qw(delivered canceled);
        is($send->('order', $_), 200, "$_ again") for qw(delivered canceled);
    }), 2, 'two states of one order');

    is(forwards(sub {
        $send->('a', 'bc');
        $send->('ab', 'c');
        $send->('a:', 'b');
        $send->('a', ':b');
        $send->('a%3A', 'b');
    }), 5, 'parts are not run together');

    my $long = 'x' x 300;
    is(forwards(sub {
        is($send->($long, $_), 200, 'a long key') for qw(1 1 2 2);
    }), 2, 'long keys differ, and are found again');
    logged(qr/\[%sha256:[0-9a-f]{64}\]$/, 'a long key is hashed');

    for my $body ('{"id":"a","part":""}', '{"id":"a"}', '{"id":{},"part":1}',
        '{"part":"a"}')
    {
        is(forwards(sub { is(deliver('/parts', $body)->status, 400, $body) }),
            0, 'not forwarded');
        logged(qr/ 400 \[refused\] \[key_missing\] \[-\] \[-\]$/, 'the reason');
    }
    is(forwards(sub { is($send->('good', 1), 200, 'then a good one') }), 1,
        'forwarded');
    return;
}


sub retention {
    my $key = next_id();
    is(forwards(sub { deliver('/short', $key) for 1 .. 3 }), 1, 'remembered');
    ok(poll_until(sub {
        return forwards(sub { deliver('/short', $key) }) == 1;
    }, 10), 'until retention runs out');
    return;
}


# whatever is no success is passed to the sender, and not remembered

sub failures {
    for my $code (500, 503, 404, 302, 409) {
        my $key = next_id();
        $up->script({status => $code, body => 'no',
            headers => $code == 302 ? [['Location', '/x']] : []});
        is(forwards(sub {
            is(deliver('/', $key)->status, $code, "$code is passed on");
            is(deliver('/', $key)->status, 200, 'the retry');
            is(deliver('/', $key)->status, 200, 'its duplicate');
        }), 2, "$code: the retry is forwarded");
    }
    return;
}


sub success_codes {
    my $key = next_id();
    $up->script({status => 409, body => 'known'});

    is(forwards(sub {
        my $r = deliver('/conflict', $key);
        is($r->status, 200, '409 as a success is acknowledged');
        is($r->body, '', 'and says nothing');
        is(deliver('/conflict', $key)->status, 200, 'a duplicate of it');
    }), 1, 'and remembered');
    return;
}


sub kept_answers {
    my $json = qq({"ok":true,"text":"a \\"q\\" \xc3\xa9"});
    my $chunked = [['Transfer-Encoding', 'chunked'],
        ['Content-Type', 'application/json']];

    for my $uri ('/kept', '/kept/unbuffered') {
        for my $case (
            ['plain', 201, $json, body => $json,
                headers => [['Content-Type',
                    'application/json; charset=utf-8']]],
            ['chunked', 200, 'ab', headers => $chunked,
                body => "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"],
            ['empty', 200, '', body => ''],
            ['no content', 204, ''],
            ['full', 200, 'y' x 1024, body => 'y' x 1024],
        ) {
            my ($what, $status, $body, %answer) = @$case;
            my $key = next_id();
            my ($first, $again);
            $up->script({status => $status, %answer});

            is(forwards(sub {
                $first = deliver($uri, $key);
                $again = deliver($uri, $key);
            }), 1, "$uri, $what: once");
            for my $r ($first, $again) {
                is($r->status, $status, "$uri, $what: status");
                ok($r->body eq $body, "$uri, $what: body");
            }
            is($again->header('content-type'), $first->header('content-type'),
                "$uri, $what: type") if $what ne 'full';
        }
    }

    for my $status (302, 409) {
        my $key = next_id();
        $up->script({status => $status, body => 'odd'});
        is(deliver('/kept', $key)->status, $status, "success by $status");
        my $r = deliver('/kept', $key);
        is($r->status, $status, 'and again');
        is($r->body, 'odd', 'with its body');
        is($r->header('location'), undef, 'nothing is made up');
    }

    # plum_ack hides answers from first and duplicate alike
    my $key = next_id();
    $up->script({body => 'internal'});
    for my $what ('first', 'duplicate') {
        my $r = deliver('/bare', $key);
        is($r->status, 200, "bare: $what");
        is($r->body, '', 'nothing of the upstream');
    }
    return;
}


sub large_answers {
    my $large = join '', map { sprintf '%07d,', $_ } 1 .. 400_000;
    $up->answer(body => $large);

    my $kept = next_id();
    ok(deliver('/kept/large', $kept)->body eq $large, 'kept: 3 MB, unharmed');
    ok(deliver('/kept/large', $kept)->body eq $large, 'and kept');

    for my $uri ('/kept', '/kept/unbuffered', '/pass') {
        my $key = next_id();
        is(forwards(sub {
            ok(deliver($uri, $key)->body eq $large, "$uri: 3 MB, unharmed");
            is(deliver($uri, $key)->status, $uri eq '/pass' ? 200 : 409,
                "$uri: its duplicate");
        }), 1, "$uri: once");
    }
    $up->answer;
    return;
}


sub without_idempotency {
    my $key = next_id();
    is(forwards(sub {
        is(deliver('/off', $key)->status, 200, 'off') for 1 .. 3;
    }), 3, 'each is forwarded');
    logged(qr{^/off 200 \[accepted\] \[-\] \[off\] \[-\]$}, 'and says off');
    return;
}
