#!/usr/bin/perl

# Reload, graceful and bounded shutdown, at every moment of a delivery.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until spawn_sub reap);
use Time::HiRes qw(sleep time);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(workers => 2);
my $up = $t->upstream('up');
my $id = 0;

$t->secret('plum', $SECRET);
configure('');
$t->run;

reload_at_each_moment();
reloads_under_load();
quit_at_each_moment();

configure('worker_shutdown_timeout 1s;');
$t->run;
shutdown_timeout();

$t->done_testing;


sub configure {
    my ($globals) = @_;

    $t->write_conf("%%GLOBALS%%\n$globals\n" . <<'CONF');
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:4m;

    upstream kept {
        server 127.0.0.1:%%PORT_up%%;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency deliveries scope=all in_flight=wait:20s lease=2s;
        plum_idempotency_key $id;

        location / {
            plum on;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://kept;
        }

        location /refuse {
            plum on;
            plum_idempotency deliveries scope=all in_flight=refuse lease=2s;
            proxy_pass http://kept;
        }

        location /hold {
            plum on;
            plum_idempotency deliveries scope=all in_flight=refuse lease=2s
                             in_doubt=hold;
            proxy_pass http://kept;
        }
    }
}
CONF
    return;
}


sub signed { return $t->signed($t->keyed($SECRET, @_)) }


sub deliver { return $t->request(signed(@_))->status }
sub next_id { return 'e' . ++$id }
sub forwarded { return scalar(my @all = $up->requests) }


# senders at three moments: half of its body sent, forwarded, and waiting for
# that one; over HTTP/2 and forwarded, a process of its own

sub begin {
    my ($gate) = @_;

    my %s = map { $_ => $t->client(0, timeout => 20) }
        qw(reading forwarding waiting);
    $s{key} = {reading => next_id(), forwarding => next_id(), h2 => next_id()};

    $up->forget;
    $up->script({gate => $gate}, {gate => $gate});
    my %request = signed('/', $s{key}{reading});
    $s{rest} = substr $request{body}, 4;
    $s{reading}->write($s{reading}->head(%request)
        . substr $request{body}, 0, 4);

    $s{forwarding}->request(signed('/', $s{key}{forwarding}), no_read => 1);
    $up->wait_for(1);
    $s{waiting}->request(signed('/', $s{key}{forwarding}), no_read => 1);
    $s{pid} = spawn_sub(sub {
        my $r = $t->client('h2', timeout => 20)
            ->h2(signed('/', $s{key}{h2}));
        $t->write_file("$gate-h2", $r->status);
    });
    is(scalar(() = $up->wait_for(2)), 2, "$gate: two are under way");
    sleep 0.2;
    return \%s;
}


# all of them come to a good end; tries to disturb in between

sub finish {
    my ($s, $gate) = @_;

    $s->{reading}->write($s->{rest});
    is($s->{reading}->read_response->status, 200, "$gate: the body is read");
    $up->open_gate($gate);
    is($s->{$_}->read_response->status, 200, "$gate: $_")
        for qw(forwarding waiting);
    ok(poll_until(sub { return defined reap($s->{pid}) }, 10), 'HTTP/2');
    is($t->read_file("$gate-h2"), 200, "$gate: forwarding, HTTP/2");
    is(forwarded(), 3, "$gate: three forwards in all");
    return;
}


sub reload_at_each_moment {
    my $s = begin('reload');
    my @old = $t->workers;

    ok($t->reload, 'reload');
    is(deliver('/refuse', $s->{key}{forwarding}), 409, 'new workers know');
    finish($s, 'reload');
    ok(poll_until(sub { return $t->workers(all => 1) == 2 }, 10),
        'the old workers leave');

    my %old = map { $_ => 1 } @old;
    is(scalar(grep { $old{$_} } $t->workers), 0, 'all of them');
    is(deliver('/refuse', $_), 200, 'a copy') for values %{$s->{key}};
    is(forwarded(), 3, 'nothing is forwarded twice');
    return;
}


sub quit_at_each_moment {
    my $s = begin('quit');

    $t->signal('QUIT');
    ok(poll_until(sub { return !$t->workers }, 5), 'all workers shut down');
    is(deliver('/', next_id()), 0, 'nobody is let in');
    finish($s, 'quit');
    ok($t->quit(10), 'then nginx leaves');
    return;
}


sub open_files {
    my ($pid) = @_;
    my @files = glob "/proc/$pid/fd/*";
    return scalar @files;
}


sub reloads_under_load {
    $up->forget;
    my $master = open_files($t->pid);
    my $end = $t->path('enough');

    # each event is sent twice, over connections of its own
    my @pids = map {
        my $n = $_;
        spawn_sub(sub {
            my ($i, %count) = (0);
            while (!-e $end) {
                my $key = "load-$n-" . ++$i;
                $count{deliver('/', $key)}++ for 1, 2;
                sleep 0.01;
            }
            $t->write_file("load-$n", join ' ', $i, map { "$_:$count{$_}" }
                sort keys %count);
        });
    } 1 .. 3;

    my $reloads = grep { $t->reload } 1 .. 20;
    is($reloads, 20, 'reloads under load');
    $t->write_file('enough', '');
    ok(poll_until(sub { return !grep { !defined reap($_) } @pids }, 20),
        'all senders end');

    my $events = 0;
    for my $n (1 .. 3) {
        my ($sent, @counts) = split ' ', $t->read_file("load-$n");
        is("@counts", '200:' . 2 * $sent, "sender $n: all are acknowledged");
        $events += $sent;
    }
    my %seen;
    $seen{$_->{body}}++ for $up->requests;
    is(scalar keys %seen, $events, "$events events have arrived");
    is(scalar(grep { $_ > 1 } values %seen), 0, 'none of them twice');

    ok(poll_until(sub { return $t->workers(all => 1) == 2 }, 10),
        'old workers are gone');
    cmp_ok(open_files($t->pid), '<=', $master + 4, 'open files of the master');
    return;
}


# whoever is still at it after a second is cut, and leaves nothing behind

sub shutdown_timeout {
    my $held = next_id();
    my $client = $t->client(0);

    $up->forget;
    $up->script({gate => 'never'});
    $client->request(signed('/hold', $held), no_read => 1);
    $up->wait_for(1);
    my $s = begin('never');

    ok($t->reload, 'reload');
    is(deliver('/refuse', $s->{key}{forwarding}), 409, 'still under way');
    for my $what (qw(reading forwarding waiting)) {
        is($s->{$what}->read_response->status, 0, "$what is cut");
    }
    ok(poll_until(sub { return $t->workers(all => 1) == 2 }, 10),
        'the old workers leave');
    ok($t->wait_log(qr/in doubt: .*the claim is released/), 'a claim released');
    ok($t->wait_log(qr/in doubt: .*the claim is held/), 'a claim held');

    # those that wait are the first to try again
    $up->script({});
    is(deliver('/refuse', $_), 200, 'a retry') for values %{$s->{key}};
    ok(poll_until(sub { return deliver('/hold', $held) == 200 }, 10),
        'once the lease has lapsed, also of what was held');

    my %seen;
    $seen{$_->{body}}++ for $up->requests;
    is(scalar keys %seen, 4, 'all events have arrived');
    cmp_ok(forwarded(), '<=', 7, 'each is tried twice at most');
    ok(poll_until(sub { return defined reap($s->{pid}) }, 10), 'HTTP/2');
    is($t->read_file('never-h2'), 0, 'is cut, too');
    return;
}
