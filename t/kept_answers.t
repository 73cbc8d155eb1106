#!/usr/bin/perl

# answer=: what is kept is given to copies.  What could not be kept is said,
# in the log and in $plum_answer, and a copy of it is refused: it must not be
# taken for the consumer's answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $SECRET = 'a secret of many bytes 0123456789';
my $JSON = '{"status":"1","data":{"points":"12.50"}}';
my @TYPE = ['Content-Type', 'application/json'];

my $t = Test::Plum->new;
my $redis = Test::Plum::Redis->new(test => $t);
my $up = $t->upstream('up');
my $second = $t->upstream('second');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$uri $status [$plum_verdict] [$plum_reason] '
                    '[$plum_dedupe] [$plum_answer]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_store mem memory:1m;
    plum_store red redis://127.0.0.1:%%PORT_redis%%;
    plum_store tiny memory:32k;
    plum_body_budget 1m;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_2%% http2;
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_ack off;
        plum_capture $id id;
        plum_idempotency mem in_flight=refuse answer=1k;
        plum_idempotency_key $id;

        location /mem {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /redis {
            plum on;
            plum_idempotency red in_flight=refuse answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /unbuffered {
            plum on;
            proxy_buffering off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /http11 {
            plum on;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /refuse {
            plum on;
            plum_refuse answer_missing 503;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /page {
            plum on;
            proxy_intercept_errors on;
            error_page 503 @second;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /large {
            plum on;
            plum_idempotency mem in_flight=refuse answer=2m;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /tiny {
            plum on;
            plum_idempotency tiny in_flight=refuse answer=64k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /observe {
            plum on;
            plum_mode observe;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /was-off {
            plum on;
            plum_idempotency mem in_flight=refuse scope=was;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /was-on {
            plum on;
            plum_idempotency mem in_flight=refuse scope=was answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location @second { proxy_pass http://127.0.0.1:%%PORT_second%%; }
    }
}
CONF
$t->run;

my $id = 0;

kept();
not_kept();
other_refusal();
error_page();
budget();
no_room();
observed();
not_asked_for();
unreadable();
said_once();

$t->done_testing;


sub deliver { return $t->deliver($t->keyed($SECRET, @_)) }


sub next_id { return 'e' . ++$id }


sub logged {
    my ($line) = @_;

    my $seen = '';
    poll_until(sub {
        $seen = (split /\n/, $t->read_file('access.log'))[-1] || '';
        return $seen eq $line;
    }, 2);
    is($seen, $line, 'the access log');
    return;
}


sub chunked {
    my ($text) = @_;
    return sprintf "%x\r\n%s\r\n", length $text, $text;
}


# a copy is refused, and not forwarded

sub missing {
    my ($uri, $key, $what) = @_;

    $up->forget;
    my $r = deliver($uri, $key);
    is($r->status, 409, "$what: the copy");
    unlike($r->body, qr/\Q$JSON\E/, "$what: without the answer");
    is(scalar(() = $up->requests), 0, "$what: is not forwarded");
    logged("$uri 409 [refused] [answer_missing] [duplicate] [missing]");
    return;
}


sub kept {
    for my $uri ('/mem', '/redis', '/unbuffered', '/http11') {
        for my $case (
            ['plain', 200, $JSON, body => $JSON],
            ['created', 201, $JSON, body => $JSON,
                headers => [@TYPE, ['Set-Cookie', 'a=b'],
                    ['Content-Encoding', 'identity']]],
            ['chunked', 200, $JSON, body => chunked($JSON) . "0\r\n\r\n",
                headers => [@TYPE, ['Transfer-Encoding', 'chunked']]],
            ['of the full size', 200, 'y' x 1024, body => 'y' x 1024],
            ['empty', 200, '', body => ''],
            ['no content', 204, '', headers => []],
            ['reset content', 205, '', body => ''],
        ) {
            my ($name, $status, $body, %answer) = @$case;
            my $what = "$uri, $name";
            my $key = next_id();

            $up->forget;
            $up->script({status => $status, headers => \@TYPE, %answer});
            for my $which ('kept', 'repeated') {
                my $r = deliver($uri, $key);
                is($r->status, $status, "$what, $which: status");
                ok($r->body eq $body, "$what, $which: body");
                is($r->header('content-type'), 'application/json',
                    "$what, $which: type") if $status != 204;
                is($r->header('set-cookie'), undef, "$what: no cookie")
                    if $which eq 'repeated';
                logged("$uri $status " . ($which eq 'kept'
                    ? '[accepted] [-] [new] [kept]'
                    : '[duplicate] [-] [duplicate] [repeated]'));
            }
            is(scalar(() = $up->requests), 1, "$what: once");
        }
    }

    my $key = next_id();
    $up->script({headers => \@TYPE, body => $JSON});
    for my $which ('the first', 'the copy') {
        my $r = $t->client(2)->h2($t->signed(scheme => 'github',
            secret => $SECRET, uri => '/mem', body => qq({"id":"$key"})));
        is($r->body, $JSON, "$which, over HTTP/2");
    }
    return;
}


sub not_kept {
    my $large = 'z' x 1025;
    my @chunked = (@TYPE, ['Transfer-Encoding', 'chunked']);
    my $gzip = "\x1f\x8b\x08\0\0\0\0\0";

    for my $uri ('/mem', '/redis', '/unbuffered', '/http11') {
        for my $case (
            ['too large', too_large => 200, $large, body => $large],
            ['too large, chunked', too_large => 200, $large,
                headers => \@chunked,
                body => chunked($large) . "0\r\n\r\n"],
            ['cut', cut => 502, '', action => 'half', body => $JSON],
            ['reset', cut => 502, '', action => 'half_reset', body => $JSON],
            ['cut in a chunk', cut => 502, '', headers => \@chunked,
                body => chunked($JSON), close => 1],
            ['cut behind the header', cut => 502, '', action => 'raw',
                raw => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"],
            ['too large, and cut', too_large => 200, undef, action => 'half',
                body => $large x 4],
            ['encoded', encoded => 200, $gzip, body => $gzip,
                headers => [@TYPE, ['content-encoding', 'gzip']]],
            ['encoded, as text', encoded => 200, 'text', body => 'text',
                headers => [@TYPE, ['Content-Encoding', 'br']]],
            ['a part', partial => 206, 'part', status => 206, body => 'part',
                headers => [@TYPE, ['Content-Range', 'bytes 0-3/9']]],
            ['not UTF-8', not_utf8 => 200, "\xff\xfe", body => "\xff\xfe"],
        ) {
            my ($name, $answer, $status, $body, %answer) = @$case;
            my $what = "$uri, $name";
            my $key = next_id();

            # HTTP/1.0 has no chunks, and what it ends is the answer
            next if $name eq 'cut in a chunk' && $uri ne '/http11';

            $up->script({headers => \@TYPE, %answer});
            my $r = deliver($uri, $key);
            if (defined $body) {
                is($r->status, $status, "$what: the first");
                ok($r->body eq $body, "$what: its body");
            } else {
                is($r->status, 0, "$what: the first is not complete");
            }
            logged("$uri $status [accepted] [-] [new] [$answer]");
            missing($uri, $key, $what);
        }
        $up->script({headers => \@TYPE, body => $JSON});
        is(deliver($uri, next_id())->body, $JSON, "$uri: a good one");
    }

    my $key = next_id();
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        uri => '/mem', body => qq({"id":"$key"}));
    $up->script({headers => \@TYPE, action => 'half', body => $JSON});
    is($t->client(2)->h2(%request)->status, 502, 'cut, over HTTP/2');
    is($t->client(2)->h2(%request)->status, 409, 'its copy');
    return;
}


sub other_refusal {
    my $key = next_id();
    $up->script({headers => \@TYPE, body => 'x' x 2000});
    is(deliver('/refuse', $key)->status, 200, 'plum_refuse: the first');
    is(deliver('/refuse', $key)->status, 503, 'plum_refuse: the copy');
    return;
}


# accepted by the second upstream, and told as what the first one said

sub error_page {
    my $key = next_id();
    $up->script({status => 503});
    $second->answer(headers => \@TYPE, body => $JSON);
    my $r = deliver('/page', $key);
    is($r->status, 503, 'a status that is no success');
    logged('/page 503 [accepted] [-] [new] [not_success]');
    missing('/page', $key, 'a status that is no success');
    return;
}


# what is collected counts in plum_body_budget

sub budget {
    my $large = 'x' x 1_500_000;
    my $key = next_id();
    $up->script({headers => [@TYPE, ['Transfer-Encoding', 'chunked']],
        body => chunked($large) . "0\r\n\r\n"});
    ok(deliver('/large', $key)->body eq $large, 'more than the budget');
    logged('/large 200 [accepted] [-] [new] [budget]');
    missing('/large', $key, 'more than the budget');

    my $kept = substr $large, 0, 500_000;
    $key = next_id();
    $up->script({headers => \@TYPE, body => $kept});
    ok(deliver('/large', $key)->body eq $kept, 'within, by its length');
    logged('/large 200 [accepted] [-] [new] [kept]');
    ok(deliver('/large', next_id())->status == 200, 'what it took is back');
    return;
}


sub no_room {
    my $key = next_id();
    $up->script({headers => \@TYPE, body => 'x' x 40_000});
    is(length deliver('/tiny', $key)->body, 40_000, 'no room in the store');
    logged('/tiny 200 [accepted] [-] [new] [no_room]');
    missing('/tiny', $key, 'no room in the store');
    return;
}


sub observed {
    my $key = next_id();
    $up->script({body => $JSON}, {body => $JSON});
    is(deliver('/observe', $key)->body, $JSON, 'observed') for 1 .. 2;
    logged('/observe 200 [duplicate] [-] [duplicate] [-]');
    return;
}


# a record without an answer, as nobody had asked for it

sub not_asked_for {
    my $key = next_id();
    $up->script({body => $JSON});
    is(deliver('/was-off', $key)->body, $JSON, 'without answer=');
    is(deliver('/was-off', $key)->status, 200, 'its copy');
    logged('/was-off 200 [duplicate] [-] [duplicate] [-]');
    missing('/was-on', $key, 'where answers are kept');
    return;
}


sub unreadable {
    $redis->command('FLUSHALL');
    my $key = next_id();
    $up->script({body => $JSON});
    is(deliver('/redis', $key)->body, $JSON, 'kept in Redis');

    my ($record) = @{$redis->command('KEYS', '*')};
    $redis->command('SET', $record, 'd{"status":20');
    missing('/redis', $key, 'a record that cannot be read');
    return;
}


# one line for each change, not for each answer

sub said_once {
    my $lines = sub {
        return scalar grep { /answers are .*kept/ }
            split /\n/, $t->read_file('error.log');
    };
    my $send = sub {
        my ($size) = @_;
        $up->script({body => 'x' x $size});
        return deliver('/mem', next_id())->status;
    };

    is($send->(10), 200, 'kept');
    my $before = $lines->();
    is($send->(2000), 200, 'too large') for 1 .. 3;
    is($lines->() - $before, 1, 'said once');
    ok($t->wait_log(qr/\[warn\] .* answers are not kept .* larger than/),
        'with the reason');
    is($send->(10), 200, 'kept') for 1 .. 3;
    is($lines->() - $before, 2, 'said once that they are kept again');
    return;
}
