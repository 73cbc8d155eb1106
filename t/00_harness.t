#!/usr/bin/perl

# The harness itself, with an nginx without our module: what it reports is
# what happened, and its checks can fail.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum;
use Test::Plum::Process qw(poll_until spawn_sub);

my $t = Test::Plum->new(module => 0, workers => 2);
my $up = $t->upstream('up');

$t->write_conf(<<'CONF');
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%

    upstream u {
        server 127.0.0.1:%%PORT_up%%;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        listen 127.0.0.1:%%PORT_tls%% ssl http2;

        %%TLS_SERVER%%
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_verify_client optional;
        ssl_client_certificate %%TESTDIR%%/ca.crt;

        proxy_next_upstream off;
        proxy_read_timeout 4s;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        add_header X-Verified $ssl_client_verify;
        add_header X-TLS $ssl_protocol;

        location / {
            proxy_pass http://u;
        }

        location /streamed {
            proxy_request_buffering off;
            proxy_pass http://u;
        }
    }
}
CONF
$t->run;

bodies();
tls();
failing_upstreams();
timing();
together();
http2();
hang_ups();
nginx_itself();
detectors();

$t->done_testing;


sub bodies {
    my $r = $t->deliver(scheme => 'standard-webhooks', secret => 'key',
        body => '{"a":1}', headers => {'x-more' => 1});
    is($r->status, 200, 'a signed delivery');
    my ($got) = $up->wait_for(1);
    is($got->{body}, '{"a":1}', 'its body');
    like($up->header($got, 'webhook-signature'), qr/^v1,/, 'its signature');
    is($up->header($got, 'x-more'), 1, 'a header of the test');

    my %signed = $t->signed(scheme => 'github', secret => 'key',
        headers => {'content-type' => undef});
    is(join(' ', map { $_->[0] } @{$signed{headers}}), 'x-hub-signature-256',
        'a header taken away');

    my $c = $t->client(0);
    my $large = join '', map { chr $_ % 256 } 1 .. 200_000;
    $r = $c->request(method => 'POST', body => $large, pieces => 5,
        delay => 0.01, expect => 1);
    is($r->status, 200, 'pieces');
    ok($r->continued, '100 (Continue)');
    ok(($up->requests)[-1]{body} eq $large, 'every byte');

    for my $uri ('/', '/streamed') {
        $r = $c->request(method => 'POST', uri => $uri, body => 'abcdefg',
            chunked => [1, 2], pieces => 9, delay => 0.01);
        is($r->status, 200, "chunked $uri");
        is(($up->requests)[-1]{body}, 'abcdefg', 'joined');
    }
    ok($c->connected, 'one connection for all');
    return;
}


sub tls {
    my $get = sub { return $t->request(port => 'tls', tls => 1, @_) };

    is($get->()->header('x-verified'), 'NONE', 'no client certificate');
    is($get->(cert => 'client')->header('x-verified'), 'SUCCESS', 'one');
    is($get->(cert => 'stranger')->status, 400, 'a stranger\'s');
    is($get->(version => $_)->header('x-tls') =~ s/\./_/r, $_, $_)
        for qw(TLSv1_2 TLSv1_3);

    my $r = $t->request(port => 'tls', tls => {SSL_version => 'TLSv1_1',
        SSL_cipher_list => 'DEFAULT@SECLEVEL=0'});
    is($r->status, 0, 'a version that is not offered');
    like($r->error, qr/^tls: /, 'and why');
    return;
}


sub failing_upstreams {
    for my $action (qw(refuse refuse_reset head_close head_reset close reset
        hang))
    {
        $up->script({action => $action});
        my $r = $t->request(method => 'POST', body => '{}');
        is($r->status, $action eq 'hang' ? 504 : 502, $action);
    }

    for my $action (qw(half half_reset)) {
        $up->script({action => $action, body => 'z' x 100});
        my $r = $t->request;
        is($r->status, 0, $action);
        ok($r->error, 'and why');
    }

    $up->script({action => 'raw', raw => "HTTP/1.1 299 Raw\r\n\r\nx"},
        {status => 418});
    is($t->request->status, 299, 'the first of two');
    is($t->request->status, 418, 'the second of two');

    $up->stop;
    is($t->request->status, 502, 'no upstream');
    $up->start;
    is($t->request->status, 200, 'again one');
    return;
}


sub timing {
    $up->forget;
    $up->on('/late', delay => 3, body => 'late');
    my $c = $t->client(0);
    $c->request(uri => '/late?x', no_read => 1);
    $up->wait_for(1);
    is($t->request->status, 200, 'one that is not late');
    is($c->read_raw(0), '', 'before the one that is');
    is($c->read_response->body, 'late', 'a late answer');

    $up->script({gate => 'g', body => 'gated'});
    $c->request(no_read => 1);
    is($c->read_raw(0.2), '', 'nothing before the gate opens');
    $up->open_gate('g');
    is($c->read_response->body, 'gated', 'then the answer');
    return;
}


sub together {
    $up->forget;
    $up->answer(gate => 'twenty');

    # the first answer is given when all have come
    spawn_sub(sub {
        $up->open_gate('twenty') if (() = $up->wait_for(20)) == 20;
    });
    my @all = $t->parallel({port => 'tls', tls => 1},
        map { {method => 'POST', body => "n$_"} } 1 .. 20);
    is(join(' ', map { $_->status } @all), join(' ', (200) x 20), 'twenty');
    is(scalar $up->requests, 20, 'all arrived');
    $up->answer;
    return;
}


sub http2 {
    for my $name (qw(h2 tls)) {
        for my $no_length (0, 1) {
            my $what = "$name, " . ($no_length ? 'no length' : 'a length');
            my $r = $t->client($name, tls => $name eq 'tls')->h2(
                body => 'hello', no_length => $no_length,
                headers => {'x-a' => 'b'});
            is($r->status, 200, $what) or diag($r->error);
            is($r->version, 'HTTP/2', "$what, protocol");
            my $got = ($up->requests)[-1];
            is($got->{body}, 'hello', "$what, body");
            is($up->header($got, 'x-a'), 'b', "$what, header");
        }
    }
    return;
}


sub hang_ups {
    $up->forget;
    my %post = (method => 'POST', body => 'abcdef');
    $t->request(%post, hang_up => 'half');
    $t->request(%post, hang_up => 'head', then => 'reset');
    is(scalar $up->wait_for(1, 0.2), 0, 'nothing forwarded');

    $up->script({delay => 5});
    my $c = $t->client(0);
    $c->request(%post, no_read => 1);
    is(scalar $up->wait_for(1), 1, 'forwarded');
    $c->close;
    ok($t->wait_log(qr/closed connection/), 'nginx saw it');
    ok(poll_until(sub { $up->aborts == 1 }, 3), 'and left the upstream');
    return;
}


sub nginx_itself {
    my @before = $t->workers;
    is(scalar @before, 2, 'two workers');
    ok($t->reload, 'reload');
    my %old = map { $_ => 1 } @before;
    is(scalar(grep { $old{$_} } $t->workers), 0, 'two others');
    ok($t->kill_worker, 'a worker killed and replaced');
    is($t->request->status, 200, 'still at work');

    my ($status, $said) = $t->test_config(
        "%%GLOBALS%%\nevents {}\nhttp { foo; }\n");
    is($status, 1, 'a wrong configuration');
    like($said, qr/\[emerg\].*unknown directive "foo"/, 'and why');
    ($status) = $t->test_config("%%GLOBALS%%\nevents {}\n");
    is($status, 0, 'a right one');
    return;
}


# each check sees what it is for, in an instance of its own

sub detectors {
    my $sick = sub {
        my ($name, $code) = @_;
        my $other = Test::Plum->new(module => 0, user => 0);
        is(join("\n", $other->damage), '', "$name: clean before");
        $code->($other);
        isnt(join("\n", $other->damage), '', "$name: seen");
        # or the end of this test would find it, too
        $other->{checked} = 1;
    };

    my $log = sub {
        my ($line) = @_;
        return sub { $_[0]->write_file('error.log', "$line\n") };
    };
    $sick->('an alert', $log->('2026/01/01 00:00:00 [alert] 1#1: x'));
    $sick->('a sanitizer', $log->('==1==ERROR: AddressSanitizer: x'));
    $sick->('undefined behaviour', $log->('a.c:1:2: runtime error: x'));
    $sick->('valgrind', $log->('==12== Invalid read of size 8'));
    $sick->('a leak', $log->('==12==    definitely lost: 8 bytes'));
    $sick->('a report', sub { $_[0]->write_file('reports/asan.1', 'x') });
    $sick->('a core dump', sub { $_[0]->write_file('core', 'x') });
    $sick->('a crash', sub {
        my ($other) = @_;
        $other->write_conf("%%GLOBALS%%\nevents {}\n");
        $other->run;
        kill 'SEGV', ($other->workers)[0];
        $other->wait_log(qr/exited on signal/);
    });

    my $other = Test::Plum->new(module => 0);
    $other->write_file('error.log', "[alert] known\n[alert] new\n");
    $other->expect_log(qr/known/);
    is(join("\n", $other->damage), '[alert] new', 'an expected line');
    $other->{checked} = 1;
    return;
}
