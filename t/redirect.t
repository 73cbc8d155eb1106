#!/usr/bin/perl

# Internal redirects: whatever way a request takes inside NGINX, it is judged
# once, claimed once, and acknowledged only for an upstream's success.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(workers => 2);
my $up = $t->upstream('up');
my $good = $t->upstream('good');

$t->secret('plum', $SECRET);
$t->secret('other', 'another secret of many bytes 0123');
$t->write_file('ok.html', 'a page');
$t->write_file('mirrored.html', 'a page');
$t->write_file('page.shtml', '<!--#include virtual="/raw" -->');
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri [$plum_verdict] [$plum_reason] '
                    '[$plum_dedupe]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_secret other %%TESTDIR%%/other;
    plum_store deliveries memory:1m;
    plum_allowlist clean { allow id; }

    upstream up { server 127.0.0.1:%%PORT_up%%; }
    upstream good { server 127.0.0.1:%%PORT_good%%; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow clean;
        plum_capture $id id;
        plum_idempotency deliveries in_flight=refuse;
        plum_idempotency_key $id;
        root %%TESTDIR%%;
        proxy_intercept_errors on;

        location /fallback {
            plum on;
            error_page 502 503 = @good;
            proxy_pass http://up;
        }
        location /kept-status {
            plum on;
            error_page 502 503 @good;
            proxy_pass http://up;
        }
        location /same {
            plum on;
            error_page 502 503 = @same;
            proxy_pass http://up;
        }
        location /other {
            plum on;
            error_page 502 503 = @other;
            proxy_pass http://up;
        }
        location /lie {
            plum on;
            error_page 502 503 = @lie;
            proxy_pass http://up;
        }
        location /lie-page {
            plum on;
            recursive_error_pages on;
            error_page 502 503 =200 /ok.html;
            proxy_pass http://up;
        }
        location /lie-unresolved {
            plum on;
            set $nowhere nowhere.invalid;
            error_page 502 = @lie;
            proxy_pass http://$nowhere;
        }
        location /lie-refused {
            plum on;
            error_page 401 =200 /ok.html;
            proxy_pass http://up;
        }
        location /lie-denied {
            plum on;
            deny all;
            error_page 403 =200 /ok.html;
        }
        location /lie-named {
            plum on;
            deny all;
            error_page 403 = @lie;
        }
        location /returned { plum on; return 204; }
        location /accel { plum on; proxy_pass http://up; }
        location /try { plum on; try_files /none @same; }
        location /try-other { plum on; try_files /none @other; }
        location /copied { plum on; mirror /raw; proxy_pass http://good; }

        location /open {
            error_page 409 502 503 = @gate;
            proxy_pass http://up;
        }

        location /ssi {
            plum on;
            error_page 401 /page.shtml;
            proxy_pass http://up;
        }
        location /mirrored {
            plum on;
            error_page 401 /mirrored.html;
            proxy_pass http://up;
        }
        location /denied {
            plum on;
            deny all;
            error_page 403 /mirrored.html;
            proxy_pass http://up;
        }

        location /inside/ { internal; proxy_pass http://good; }
        location = /ok.html { }
        location = /page.shtml { ssi on; default_type text/html; }
        location = /mirrored.html { mirror /raw; }
        location /raw { proxy_pass http://up; }

        location @good { proxy_pass http://good; }
        location @lie { return 200 'fine'; }
        location @same { plum on; proxy_pass http://good; }
        location @other {
            plum on;
            plum_signature github secret=other;
            proxy_pass http://good;
        }
        location @gate {
            plum on;
            plum_idempotency deliveries success=2xx,409;
            proxy_pass http://good;
        }
    }
}
CONF
$t->run;

my $id = 0;

fallbacks();
lies();
other_rules();
accelerated();
tried();
from_outside();
pages_of_refused();

$t->done_testing;


sub deliver {
    my ($uri, $key, %more) = @_;

    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => qq({"id":"$key","pin":1}), %more);
}


sub next_id { return 'e' . ++$id }


# status of one delivery, and how often each upstream saw it

sub outcome {
    my (@args) = @_;

    $_->forget for $up, $good;
    my $status = deliver(@args)->status;
    return join ' ', $status, map { scalar(my @all = $_->requests) }
        $up, $good;
}


sub logged {
    my ($regex, $what) = @_;

    my $ok = poll_until(sub {
        return ((split /\n/, $t->read_file('access.log'))[-1] || '')
            =~ $regex;
    }, 2);
    ok($ok, $what) or diag($t->read_file('access.log'));
    return;
}


sub fallbacks {
    for my $uri ('/fallback', '/same', '/kept-status') {
        for my $first ({status => 503}, {action => 'reset'}) {
            my $key = next_id();
            $up->script($first);
            is(outcome($uri, $key), '200 1 1', "$uri, the second took it");
            logged(qr{^$uri \[accepted\] \[-\] \[new\]$}, 'one claim');
            is(($good->requests)[0]{body}, qq({"id":"$key"}), 'clean');
            is(outcome($uri, $key), '200 0 0', 'committed');
            logged(qr{^$uri \[duplicate\] \[-\] \[duplicate\]$}, 'a copy');
        }

        my $key = next_id();
        $up->script({status => 503});
        $good->script({status => 500});
        my $code = $uri eq '/kept-status' ? 503 : 500;
        is(outcome($uri, $key), "$code 1 1", "$uri, both failed");
        is(outcome($uri, $key), '200 1 0', 'released');
    }
    return;
}


sub lies {
    for my $uri ('/lie', '/lie-page') {
        for my $answer ({status => 503}, {action => 'reset'}) {
            my $key = next_id();
            $up->script($answer);
            is(outcome($uri, $key), '502 1 0', "$uri, it is no success");
            is(outcome($uri, $key), '200 1 0', 'released');
        }
        $up->stop;
        is(outcome($uri, next_id()), '502 0 0', "$uri, no upstream");
        $up->start;
    }
    is(outcome('/lie-unresolved', next_id()), '502 0 0', 'none by name');
    ok($t->wait_log(qr/status 200 would acknowledge .* answering 502/),
        'said so');

    my $forged = $t->deliver(scheme => 'github', secret => 'x' x 32,
        uri => '/lie-refused', body => '{"id":1}');
    is($forged->status, 401, 'a refusal is no success either');
    is($forged->body, '', 'its page is not sent');
    is(outcome('/lie-refused', next_id()), '200 1 0', 'a good one');

    is(outcome($_, next_id()), '503 0 0', "$_, refused by another module")
        for '/lie-denied', '/lie-named';
    is(outcome('/returned', next_id()), '204 0 0', 'return means it');
    return;
}


sub other_rules {
    my $key = next_id();
    $up->script({status => 503});
    is(outcome('/other', $key), '403 1 0', 'rules it was not judged by');
    logged(qr{^/other \[refused\] \[subrequest\] \[new\]$}, 'the reason');
    is(outcome('/other', $key), '200 1 0', 'released');

    $key = next_id();
    is(outcome('/try-other', $key), '403 0 0', 'tried, with other rules');
    is(outcome('/fallback', $key), '200 1 0', 'released, too');
    return;
}


sub accelerated {
    for my $case (['/ok.html', 0], ['/inside/x', 1], ['@same', 1]) {
        my ($to, $n) = @$case;
        my $key = next_id();
        $up->script({headers => [['X-Accel-Redirect', $to]]});
        is(outcome('/accel', $key), "200 1 $n", "X-Accel-Redirect: $to");
        is(outcome('/accel', $key), '200 0 0', 'committed');
    }

    my $key = next_id();
    $up->script({headers => [['X-Accel-Redirect', '/missing']]});
    is(outcome('/accel', $key), '404 1 0', 'to what is not there');
    is(outcome('/accel', $key), '200 1 0', 'released');

    $key = next_id();
    $up->script({headers => [['X-Accel-Redirect', '/inside/x']]});
    $good->script({status => 500});
    is(outcome('/accel', $key), '500 1 1', 'to an upstream that fails');
    is(outcome('/accel', $key), '200 1 0', 'released');
    return;
}


sub tried {
    my $key = next_id();
    is(outcome('/try', $key), '200 0 1', 'try_files');
    logged(qr{^/try \[accepted\] \[-\] \[new\]$}, 'one claim');
    is(outcome('/try', $key), '200 0 0', 'its duplicate');

    $_->forget for $up, $good;
    is(deliver('/copied', $key = next_id())->status, 200, 'mirror');
    is($_->{body}, qq({"id":"$key"}), 'clean') for $up->wait_for(1),
        $good->wait_for(1);
    return;
}


# from a location without the gate into one with it

sub from_outside {
    my %forged = (secret => 'x' x 32);
    my @gone = ({status => 503}, {status => 503});

    $up->script(@gone);
    is(outcome('/open', next_id(), %forged), '401 1 0', 'judged: forged');
    is(outcome('/open', next_id()), '200 1 1', 'judged: good');
    is(($good->requests)[0]{body} =~ /pin/, '', 'clean');

    # what was met before the gate is not its outcome
    my $key = next_id();
    $up->script({status => 409}, {status => 409});
    $good->script({status => 500});
    is(outcome('/open', $key), '500 1 1', 'a success that is not ours');
    is(outcome('/open', $key), '200 1 1', 'released');
    return;
}


# a page may ask for others: not with a body that nobody judged

sub pages_of_refused {
    my %forged = (secret => 'x' x 32);

    $_->forget for $up, $good;
    is(deliver('/ssi', 'f', %forged)->status, 401, 'a page that includes');
    is(deliver('/mirrored', 'f', %forged)->status, 401, 'that is mirrored');
    is(deliver('/mirrored', 'f', %forged, body => '{', chunked => 1)->status,
        401, 'likewise, chunked');
    is(deliver('/denied', 'f')->status, 403, 'refused before the gate');

    # a copy may take its time
    my $key = next_id();
    is(deliver('/mirrored', $key)->status, 200, 'a good one');
    sleep 1;
    is(join(' ', map { $_->{body} } $up->requests, $good->requests),
        qq({"id":"$key"}), 'nothing else reached an upstream');
    return;
}
