#!/usr/bin/perl

# proxy_next_upstream: every attempt is sent the clean body, byte for byte,
# and all of them are one delivery.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new;
my $first = $t->upstream('first');
my $second = $t->upstream('second');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$uri $status [$plum_verdict] [$plum_dedupe] '
                    '[$upstream_status]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:1m;
    plum_allowlist clean { allow id data.text; }

    upstream two {
        server 127.0.0.1:%%PORT_first%% max_fails=0;
        server 127.0.0.1:%%PORT_second%% max_fails=0 backup;
    }
    upstream kept {
        server 127.0.0.1:%%PORT_first%% max_fails=0;
        keepalive 2;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_max_body 1m;
        plum_signature github secret=plum;
        plum_allow clean;
        plum_capture $id id;
        plum_idempotency deliveries in_flight=refuse;
        plum_idempotency_key $id;

        proxy_read_timeout 1s;
        proxy_next_upstream error timeout http_503 http_404 non_idempotent;

        location / { plum on; proxy_pass http://two; }

        location /streamed {
            plum on;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://two;
        }

        location /once {
            plum on;
            proxy_next_upstream error timeout http_503;
            proxy_pass http://two;
        }

        location /kept {
            plum on;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://kept;
        }

        location /kept/once {
            plum on;
            proxy_next_upstream error timeout;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://kept;
        }
    }
}
CONF
$t->run;

my $id = 0;

every_failure();
large_bodies();
nobody_listens();
outcomes();
not_idempotent();
stale_connections();

$t->done_testing;


# a raw body, with something to strip at both ends, and what is left of it

sub body {
    my ($key, $text) = @_;

    my $raw = qq({ "secret": "0123456789", "id" : "$key", "data": {)
        . qq("pin": [1, 2], "text": "$text"}, "tail": "$text"});
    return ($raw, qq({"id":"$key","data":{"text":"$text"}}));
}


sub deliver {
    my ($uri, $key, $text, %more) = @_;

    my ($raw) = body($key, defined $text ? $text : 'x');
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => $raw, %more)->status;
}


sub next_id { return 'e' . ++$id }


sub forget { $_->forget for $first, $second; return }


sub counts {
    return join ' ', map { scalar(my @all = $_->requests) } $first, $second;
}


sub logged {
    my ($line) = @_;

    my $seen;
    my $ok = poll_until(sub {
        $seen = (split /\n/, $t->read_file('access.log'))[-1] || '';
        return $seen eq $line;
    }, 2);
    is($ok ? $line : $seen, $line, 'the access log');
    return;
}


sub doubts {
    my @lines = grep { /plum: in doubt/ }
        split /\n/, $t->read_file('error.log');
    return scalar @lines;
}


# what an upstream was sent is the clean body and its length

sub clean {
    my ($up, $key, $text, $what) = @_;

    my (undef, $want) = body($key, $text);
    my ($got) = $up->requests;
    ok($got->{body} eq $want, "$what: the clean body");
    is($up->header($got, 'content-length'), length $want, "$what: length");
    is($up->header($got, 'transfer-encoding'), undef, "$what: not chunked");
    return;
}


sub every_failure {
    for my $answer ({status => 503}, {status => 404}, {action => 'close'},
        {action => 'reset'}, {action => 'head_close'},
        {action => 'head_reset'}, {action => 'hang'},
        {action => 'raw', raw => "HTTP/1.1 200 OK\r\nCont"})
    {
        for my $uri ('/', '/streamed') {
            my $what = "$uri " . ($answer->{action} || $answer->{status});
            my $key = next_id();

            forget();
            $first->script($answer);
            is(deliver($uri, $key), 200, "$what, then a success");
            is(counts(), '1 1', 'each was tried');
            clean($second, $key, 'x', $what);
            clean($first, $key, 'x', 'before')
                if ($answer->{action} || '') !~ /head/;

            is(deliver($uri, $key), 200, "$what: a copy");
            is(counts(), '1 1', 'is not forwarded');
            logged("$uri 200 [duplicate] [duplicate] [-]");
        }
    }
    is(doubts(), 0, 'no doubt, as one has taken it');
    return;
}


sub large_bodies {
    for my $size (10_000, 200_000) {
        my $text = join '', map { sprintf '%07d,', $_ } 1 .. $size / 8;

        for my $action ('head_close', 'reset') {
            for my $chunked (0, [1, 4096, 100, 65_536]) {
                my $what = "$size, $action, " . ($chunked ? 'chunked' : '');
                my $key = next_id();

                forget();
                $first->script({action => $action});
                is(deliver('/', $key, $text,
                    $chunked ? (chunked => $chunked) : ()), 200, $what);
                is(counts(), '1 1', 'each was tried');
                clean($second, $key, $text, $what);
            }
        }
    }
    return;
}


sub nobody_listens {
    my $key = next_id();

    forget();
    $first->stop;
    is(deliver('/', $key), 200, 'the first does not listen');
    clean($second, $key, 'x', 'the second');
    logged('/ 200 [accepted] [new] [502, 200]');

    $second->stop;
    $key = next_id();
    is(deliver('/', $key), 502, 'none does');
    is(doubts(), 0, 'no doubt');
    $first->start;
    $second->start;
    is(deliver('/', $key), 200, 'it was released');
    is(counts(), '1 1', 'and forwarded');
    return;
}


# two attempts, and what is made of them: doubt only where one may have taken
# the event and none said so

sub outcomes {
    my $silent = {action => 'close'};

    for my $case (
        [{status => 503}, {status => 500}, 500, 0],
        [{status => 503}, $silent, 502, 1],
        [$silent, {status => 500}, 500, 1],
        [$silent, $silent, 502, 1],
        [{action => 'hang'}, {status => 422}, 422, 1],
    ) {
        my ($one, $other, $status, $doubt) = @$case;
        my $key = next_id();
        my $before = doubts();

        forget();
        $first->script($one);
        $second->script($other);
        my $what = join ', then ',
            map { $_->{action} || $_->{status} } $one, $other;
        is(deliver('/', $key), $status, $what);
        is(doubts() - $before, $doubt, 'in doubt or not');
        is(deliver('/', $key), 200, 'the retry');
        is(counts(), '2 1', 'is forwarded');
        logged('/ 200 [accepted] [new] [200]');
    }
    return;
}


sub not_idempotent {
    my $key = next_id();

    forget();
    $first->script({action => 'reset'});
    is(deliver('/once', $key), 502, 'POST is not tried again once sent');
    is(counts(), '1 0', 'one attempt');
    is(deliver('/once', $key), 200, 'but when the sender does');

    $first->stop;
    is(deliver('/once', next_id()), 200, 'or nothing was sent');
    $first->start;
    return;
}


# a connection that the upstream has left, or leaves as it is used again

sub stale_connections {
    for my $case (['/kept', 200, '3'], ['/kept/once', 502, '2']) {
        my ($uri, $status, $n) = @$case;
        my $key = next_id();
        my $before = doubts();

        forget();
        is(deliver($uri, next_id()), 200, "$uri: a first one");
        $first->script({action => 'refuse'});
        is(deliver($uri, $key), $status, "$uri: its connection is stale");
        is(scalar(() = $first->requests), $n, "$uri: attempts");
        is(doubts() - $before, $status == 502 ? 1 : 0, 'in doubt or not');

        is(deliver($uri, $key), 200, "$uri: a copy");
        is(scalar(() = $first->requests), 3, "$uri: one success each");
        is(($first->requests)[-1]{body}, (body($key, 'x'))[1], 'clean');
    }

    forget();
    is(deliver('/kept', next_id()), 200, 'a first one');
    $first->stop;
    $first->start;
    is(deliver('/kept', next_id()), 200, 'the upstream was restarted');
    is(scalar(() = $first->requests), 2, 'one each');
    return;
}
