#!/usr/bin/perl

# Redis is away, hangs, forgets its scripts and comes back: what a delivery
# gets meanwhile, that nginx recovers by itself, and what the log says of it.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $TIMEOUT = 3;

my $t = Test::Plum::Gateway->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 1);

$t->gateway(
    stores => 'plum_store events redis://127.0.0.1:%%PORT_redis%% '
        . "timeout=${TIMEOUT}s;",
    locations => {
        '/forward' => 'plum_idempotency events unavailable=forward;',
        '/brief' => 'plum_idempotency events lease=2s;',
        '/control' => 'plum_idempotency off;',
    },
);
my $up = $t->{up};

ok($t->recovers, 'a good delivery');
my $descriptors = $t->descriptors;

away();
hangs();
forgets_scripts();
late_commit();
late_release();
not_there_at_the_start();
reload_while_down();
quit_while_down();

$t->done_testing;


sub get { return scalar $redis->command('GET', stored($_[0])) }


# lines of the store itself: those of a request name its client

sub state_lines {
    return grep { !/, client: |\[info\]/ } $t->log_lines(qr/"events"/);
}


sub refused_and_forwarded {
    my ($what) = @_;

    is($t->forwards(sub {
        for (1 .. 5) {
            my $r = $t->send_event($t->next_key);
            is($r->status, 503, "$what: refused");
            ok($r->header('retry-after'), "$what: Retry-After");
        }
    }), 0, "$what: nothing is forwarded");
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key, '/forward'), 200, "$what: unavailable=forward")
            for 1, 2;
    }), 2, "$what: forwards each");
    ok($t->wait_log(qr/\[unavailable\] \[$key\]\z/, 3, 'access.log'),
        "$what: \$plum_dedupe");
    return;
}


sub again {
    my ($what) = @_;

    ok($t->recovers, "$what: it recovers without a reload");
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key, '/forward'), 200, "$what: $_")
            for qw(new duplicate);
    }), 1, "$what: once");
    ok(poll_until(sub { $t->descriptors <= $descriptors }, 5),
        "$what: no descriptor is left open");
    return;
}


sub away {
    my $key = $t->next_key;
    is($t->status($key), 200, 'remembered');

    for my $how (qw(kill stop)) {
        my $lines = state_lines();
        $redis->$how;
        $t->status($t->next_key);
        ok($t->sooner($TIMEOUT, sub { refused_and_forwarded($how) }),
            "$how: seven deliveries in less time than the timeout of one");
        my @new = (state_lines())[$lines .. state_lines() - 1];
        cmp_ok(scalar @new, '>=', 1, "$how: the log says so");
        cmp_ok(scalar @new, '<=', 2, "$how: but not for every delivery")
            or diag(join "\n", @new);
        $redis->start;
        again($how);
        is($t->forwards(sub { is($t->status($key), 200, "$how: kept") }), 0,
            "$how: what was forwarded before is a duplicate");
    }
    return;
}


sub hangs {
    $redis->freeze;
    is($t->forwards(sub {
        my $first = $t->start($t->next_key);
        is($t->status($t->next_key, '/control'), 200, 'frozen: without it');
        is($first->read_raw(0), '', 'frozen: the first one waits');
        is($first->read_response->status, 503, 'frozen: not for ever');
    }), 1, 'frozen: it is not forwarded');
    ok($t->wait_log(qr/did not answer.*"events"/), 'frozen: the log says so');

    refused_and_forwarded('frozen');
    $redis->thaw;
    again('frozen');
    return;
}


sub forgets_scripts {
    # Redis 6.0 takes no words after it
    my @modes = $redis->info('redis_version') =~ /\A6\.0\./ ? ()
        : (['SYNC'], ['ASYNC']);
    for my $mode ([], @modes) {
        $redis->command('SCRIPT', 'FLUSH', @$mode);
        my $key = $t->next_key;
        $up->script({status => 500});
        is($t->forwards(sub {
            is($t->status($key), 500, "SCRIPT FLUSH @$mode: a failure");
            is($t->status($key), 200, 'a retry') for 1, 2;
        }), 2, 'nothing is lost by it');
    }

    # between a claim and its commit
    my $key = $t->next_key;
    my $client = claimed($key);
    $redis->command('SCRIPT', 'FLUSH');
    $up->open_gate($key);
    is($client->read_response->status, 200, 'flushed before the commit');
    ok(poll_until(sub { get($key) eq 'd' }, 5), 'which is made');
    return;
}


# the upstream answers while Redis is away: the sender hears of it at once,
# the record follows

sub late_commit {
    my $key = $t->next_key;
    my $client = claimed($key);
    $redis->kill;
    $up->open_gate($key);
    is($client->read_response->status, 200, 'the answer does not wait');
    $client->close;
    $redis->start;
    ok(poll_until(sub { (get($key) || '') eq 'd' }, 10),
        'the commit is written when Redis is back');
    is($t->forwards(sub { is($t->status($key), 200, 'a duplicate') }), 0,
        'not forwarded');
    again('late commit');
    return;
}


sub late_release {
    my $key = $t->next_key;
    my $client = claimed($key, '/', status => 500);
    $redis->kill;
    $up->open_gate($key);
    is($client->read_response->status, 500, 'neither does a failure');
    $client->close;
    $redis->start;
    ok(poll_until(sub { !defined get($key) }, 10),
        'the release is written when Redis is back');
    is($t->forwards(sub { is($t->status($key), 200, 'a retry') }), 1,
        'forwarded');
    again('late release');
    return;
}


# a delivery that the upstream holds, and its record

sub claimed {
    my ($key, $uri, %answer) = @_;

    $up->forget;
    $up->script({gate => $key, %answer});
    my $client = $t->start($key, $uri);
    $up->wait_for(1);
    like(get($key), qr/\Ap/, 'claimed');
    return $client;
}


sub not_there_at_the_start {
    $redis->kill;
    ok($t->reload, 'a reload without Redis');
    refused_and_forwarded('not there yet');
    $redis->start;
    again('not there yet');
    return;
}


# with a claim whose commit cannot be written: the old worker must not stay
# for longer than the lease

sub reload_while_down {
    my $key = $t->next_key;
    my $client = claimed($key, '/brief');
    $redis->kill;
    ok($t->reload, 'a reload with Redis away');
    $up->open_gate($key);
    is($client->read_response->status, 200, 'the old worker answers');
    ok(poll_until(sub { $t->workers(all => 1) == 1 }, 10),
        'and leaves within the lease');
    $redis->start;
    again('reload');
    return;
}


sub quit_while_down {
    my $key = $t->next_key;
    my $client = claimed($key, '/brief');
    $redis->kill;
    $up->open_gate($key);
    is($client->read_response->status, 200, 'answered');
    ok($t->quit, 'a quit with Redis away');
    is(join("\n", $t->damage), '', 'without an alert');
    $redis->start;
    $t->run;
    again('started anew');
    return;
}
