#!/usr/bin/perl

# The last hop decides: an upstream's success that leads on, by
# X-Accel-Redirect, to what fails is no success, and an error page is none
# whatever its status.  What is kept for duplicates is a success.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Redis;

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new;
my $redis = Test::Plum::Redis->new(test => $t);
my $up = $t->upstream('up');
my $next = $t->upstream('next');

$t->secret('plum', $SECRET);
$t->secret('other', 'another secret of many bytes 0123');
$t->write_file('ok.html', 'a page');
mkdir $t->path('folder') or die;
$t->write_file('folder/index.html', 'an index');
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_secret other %%TESTDIR%%/other;
    plum_store mem memory:1m;
    plum_store red redis://127.0.0.1:%%PORT_redis%%;

    # not by name: of such upstreams a newer NGINX keeps connections, and asks
    # once more where one was closed
    upstream both {
        server 127.0.0.1:%%PORT_up%% max_fails=0;
        server 127.0.0.1:%%PORT_next%% max_fails=0 backup;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency mem in_flight=refuse;
        plum_idempotency_key $id;
        root %%TESTDIR%%;
        proxy_read_timeout 2s;

        location /ack { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /redis {
            plum on;
            plum_idempotency red in_flight=refuse;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /off {
            plum on;
            plum_ack off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /kept {
            plum on;
            plum_ack off;
            plum_idempotency mem in_flight=refuse answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /kept-redis {
            plum on;
            plum_ack off;
            plum_idempotency red in_flight=refuse answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /unbuffered {
            plum on;
            proxy_buffering off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /ignored {
            plum on;
            proxy_ignore_headers X-Accel-Redirect;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /pages {
            plum on;
            error_page 404 500 502 503 =200 /ok.html;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /recursive {
            plum on;
            recursive_error_pages on;
            error_page 404 500 502 503 = /ok.html;
            proxy_intercept_errors on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /recursive-named {
            plum on;
            recursive_error_pages on;
            error_page 404 500 502 503 = @lie;
            proxy_intercept_errors on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /fallback {
            plum on;
            proxy_intercept_errors on;
            error_page 502 503 = @next;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /conflict {
            plum on;
            plum_idempotency mem in_flight=refuse success=2xx,404,409;
            proxy_next_upstream error http_404 non_idempotent;
            proxy_pass http://both;
        }
        location /files {
            plum on;
            plum_idempotency mem in_flight=refuse success=2xx,404;
        }
        location /recursive-files {
            plum on;
            recursive_error_pages on;
            error_page 404 405 = /ok.html;
            try_files /none =404;
        }
        location /tried { plum on; try_files /none @lie; }
        location /tried-error {
            plum on;
            error_page 404 = @lie;
            try_files /none =404;
        }
        location /folder { plum on; error_page 405 =200 /ok.html; }

        # where answers lead to
        location = /ok.html { }
        location /denied { deny all; }
        location /returned { return 503; }
        location /next/ { internal; proxy_pass http://127.0.0.1:%%PORT_next%%; }
        location /accel/ {
            internal;
            proxy_pass http://127.0.0.1:%%PORT_next%%;
        }
        location /unresolved {
            set $nowhere nowhere.invalid;
            proxy_pass http://$nowhere;
        }
        location /page { error_page 404 =200 /ok.html; }
        location /page-recursive {
            recursive_error_pages on;
            error_page 404 = /ok.html;
        }
        location /page-upstream {
            error_page 502 = @lie;
            set $nowhere nowhere.invalid;
            proxy_pass http://$nowhere;
        }
        location /page-of-recursive {
            recursive_error_pages on;
            proxy_intercept_errors on;
            error_page 500 = @lie;
            proxy_pass http://127.0.0.1:%%PORT_next%%;
        }
        location /rewritten { rewrite ^ /ok.html last; }
        location /if {
            if ($request_uri) { return 503; }
        }
        location @next { proxy_pass http://127.0.0.1:%%PORT_next%%; }
        location @lie { return 200 fine; }
        location @other {
            plum on;
            plum_signature github secret=other;
            proxy_pass http://127.0.0.1:%%PORT_next%%;
        }
    }
}
CONF
$t->run;

my $id = 0;

failures();
successes();
kept();
pages();
other_statuses();
fallbacks();
next_upstream();
files();

$t->done_testing;


sub deliver { return $t->deliver($t->keyed($SECRET, @_)) }


sub next_id { return 'e' . ++$id }


# status of one delivery, and how often each upstream saw it

sub outcome {
    my (@args) = @_;

    $_->forget for $up, $next;
    my $status = deliver(@args)->status;
    return join ' ', $status, map { scalar(my @all = $_->requests) }
        $up, $next;
}


sub leads {
    my ($to, %more) = @_;

    return {headers => [['X-Accel-Redirect', $to]], body => 'led', %more};
}


# the first was no success: the next is forwarded, and its copy is not

sub released {
    my ($uri, $key) = @_;

    is(outcome($uri, $key), '200 1 0', "$uri: the retry is forwarded");
    is(outcome($uri, $key), '200 0 0', "$uri: and remembered");
    return;
}


my @FAILURES;

BEGIN {
    @FAILURES = (
        ['/missing', 404],
        ['/denied', 403],
        ['/returned', 503],
        ['/if', 503],
        ['/../up', 404],
        ['@nowhere', 500],
        ['@other', 403],
        ['/unresolved', 502],
        ['/page', 502],
        ['/page-recursive', 502],
        ['/page-upstream', 502],
        ['/next/x', 500, next => {status => 500}],
        ['/next/x', 503, next => {status => 503}],
        ['/next/x', 502, next => {action => 'reset'}],
        ['/accel/x', 404, next => leads('/missing')],
        ['/accel/x', 500, next => leads('@nowhere')],
        ['/page-of-recursive', 502, next => leads('@nowhere')],
        ['/page-of-recursive', 502, next => {status => 500}],
    );
}


sub failures {
    for my $uri ('/ack', '/redis', '/off', '/kept', '/kept-redis',
        '/unbuffered')
    {
        for my $case (@FAILURES) {
            my ($to, $status, %how) = @$case;
            my $key = next_id();
            my $n = $how{next} ? 1 : 0;

            $up->script(leads($to));
            $next->script($how{next} ? $how{next} : ());
            is(outcome($uri, $key), "$status 1 $n", "$uri, to $to");
            released($uri, $key);
        }
    }

    my $key = next_id();
    $up->on('/loop', %{leads('/loop')});
    is(outcome('/ack', $key), '200 1 0', 'no loop');
    $up->script(leads('/accel/x'));
    $next->on('/accel/x', %{leads('/accel/x')});
    is((split / /, outcome('/ack', $key = next_id()))[0], 500, 'a loop');
    $next->on('/accel/x');
    released('/ack', $key);
    return;
}


sub successes {
    for my $uri ('/ack', '/redis', '/off', '/recursive', '/recursive-named',
        '/pages')
    {
        for my $case (['/ok.html', 0], ['/ok%2Ehtml?a=b', 0],
            ['/rewritten', 0], ['@lie', 0], ['/next/x', 1], ['@next', 1],
            ['/accel/x', 1, leads('/ok.html')],
            ['/page-of-recursive', 1, leads('@lie')])
        {
            my ($to, $n, @next) = @$case;
            my $key = next_id();

            $up->script(leads($to));
            $next->script(@next);
            is(outcome($uri, $key), "200 1 $n", "$uri, to $to: a success");
            is(outcome($uri, $key), '200 0 0', 'remembered');
        }
    }

    my $key = next_id();
    $up->script(leads('/missing'));
    is(outcome('/ignored', $key), '200 1 0', 'where the header is ignored');
    is(outcome('/ignored', $key), '200 0 0', 'remembered');
    return;
}


# the answer of the last hop is what is kept

sub kept {
    for my $uri ('/kept', '/kept-redis') {
        for my $case (['/ok.html', 'a page'], ['@lie', 'fine'],
            ['/next/x', 'of the next'])
        {
            my ($to, $body) = @$case;
            my $key = next_id();
            $up->script(leads($to));
            $next->answer(body => 'of the next');

            for my $which ('first', 'copy') {
                my $r = deliver($uri, $key);
                is($r->status, 200, "$uri, to $to, $which");
                is($r->body, $body, 'the body of the last hop');
            }
            $next->answer;
        }
    }
    return;
}


# an error page of what the answer led to, or of where it came from

sub pages {
    for my $uri ('/pages', '/recursive', '/recursive-named') {
        for my $answer ({status => 503}, {action => 'reset'},
            leads('@nowhere'), leads('/../x'))
        {
            my $key = next_id();
            my $what = $answer->{action} || $answer->{status}
                || $answer->{headers}[0][1];

            $up->script($answer);
            my $status = $uri eq '/pages' && $what eq '503' ? 503 : 502;
            is(outcome($uri, $key), "$status 1 0", "$uri, $what: no success");
            released($uri, $key);
        }
    }
    return;
}


# X-Accel-Redirect beside a status that is none

sub other_statuses {
    for my $status (403, 500) {
        my $key = next_id();

        $up->script(leads('/ok.html', status => $status));
        is(outcome('/ack', $key), '502 1 0', "$status, to a file");
        released('/ack', $key);

        $up->script(leads('/next/x', status => $status));
        is(outcome('/ack', $key = next_id()), '200 1 1',
            "$status, to an upstream that takes it");
        is(outcome('/ack', $key), '200 0 0', 'remembered');
    }
    return;
}


sub fallbacks {
    for my $case (['/ok.html', '200'], ['/missing', 404], ['@lie', '200']) {
        my ($to, $status) = @$case;
        my $key = next_id();

        $up->script({status => 503});
        $next->script(leads($to));
        is(outcome('/fallback', $key), "$status 1 1", "fallback, to $to");
        $status == 200
            ? is(outcome('/fallback', $key), '200 0 0', 'remembered')
            : released('/fallback', $key);
    }
    return;
}


# a status that is a success, and that goes to the next upstream

sub next_upstream {
    for my $case ([{status => 503}, 503], [{action => 'reset'}, 502]) {
        my ($answer, $status) = @$case;
        my $key = next_id();

        $up->script({status => 404});
        $next->script($answer);
        is(outcome('/conflict', $key), "$status 1 1", 'the last attempt');
        released('/conflict', $key);
    }

    my $key = next_id();
    $up->script({status => 404});
    $next->script({status => 409});
    is(outcome('/conflict', $key), '200 1 1', 'a success by its code');
    is(outcome('/conflict', $key), '200 0 0', 'remembered');
    return;
}


# without any upstream: NGINX's own error is no success, nor is its page

sub files {
    is(outcome($_, next_id()), '502 0 0', "$_: the page of an error")
        for '/recursive-files', '/tried-error', '/folder/';

    my $key = next_id();
    is(outcome('/files', $key), '404 0 0', 'a 404 of NGINX') for 1 .. 2;
    is(outcome('/tried', next_id()), '200 0 0', 'try_files');
    return;
}
