#!/usr/bin/perl

# Many events whose next attempt is due in the same second: all of them are
# delivered, each once, for a cost that grows with their number and no faster,
# and another consumer gets its own events meanwhile.  PLUM_RETRIES says how
# many (20000).

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(time);

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $MANY = $ENV{PLUM_RETRIES} || 20_000;
my $FEW = $MANY / 10;

# entries whose first attempt has failed, and the second one is due a second
# later
my $FILL = <<'LUA';
redis.pcall('XGROUP', 'CREATE', KEYS[1], 'plum', '0', 'MKSTREAM')
local t = redis.call('TIME')
local due = t[1] * 1000 + 1000
for i = 1, tonumber(ARGV[1]) do
    local id = redis.call('XADD', KEYS[1], '*', 'k', ARGV[1] .. '-' .. i,
        'e', 'x', 't', due, 'b', '{"id":"' .. i .. '"}')
    redis.call('ZADD', KEYS[2], due, id)
end
local e = redis.call('XREADGROUP', 'GROUP', 'plum', 'plum', 'COUNT', ARGV[1],
    'STREAMS', KEYS[1], '>')
return #e[1][2]
LUA

my $t = Test::Plum::Queue->new(workers => 2, log => 'warn');
my $redis = Test::Plum::Redis->new(test => $t);
$t->gateway(
    store => 'redis://127.0.0.1:%%PORT_redis%% timeout=10s',
    queue => 'accepted memory;',
    allow => 'all_of_them',
    consumers => ['deliver billing /deliver/billing for=none;',
        'deliver crm /deliver/crm for=crm;'],
    # its server answers before it has read the body: where that comes before
    # all of it is sent, the attempt is none
    deliver => 'plum_deliver retry=10ms,20ms,40ms,80ms; '
        . 'proxy_http_version 1.1; '
        . 'proxy_set_header Connection "";',
    locations => {'/deliver/billing' => 'proxy_pass http://fast;'},
    http => 'upstream fast { server 127.0.0.1:%%PORT_fast%%; keepalive 32; }
        server { listen 127.0.0.1:%%PORT_fast%%; keepalive_requests 1000000;
            location / { return 200; } }',
);
ok($t->accepted({id => $t->next_key, type => 'crm'}), 'a good delivery');
ok($t->empty('crm'), 'and delivered');

# once for buffers that grow to their size
drain($FEW);
my %few = drain($FEW);
my %many = drain($MANY, sub { others() });
each_once();

for my $who (qw(workers redis)) {
    my ($less, $more) = ($few{$who} / $FEW, $many{$who} / $MANY);
    cmp_ok($more, '<', 3 * $less, sprintf '%s: %.0f us for each of %d '
        . 'events, %.0f us for each of %d', $who, 1e6 * $less, $FEW,
        1e6 * $more, $MANY);
}
note(sprintf '%d events in %.1f s', $MANY, $many{time});

ok($t->accepted({id => $t->next_key, type => 'crm'}), 'a good delivery');
ok($t->empty('crm'), 'and delivered');
$t->done_testing;


# makes n events of which the first attempt has failed, and the second one is
# due a second later; returns what it took until all were delivered, seconds:
# time, and CPU of the workers and of Redis

sub drain {
    my ($n, $meanwhile) = @_;

    $t->pause('billing');
    $redis->command('EVAL', $FILL, 2, $t->key('s', 'billing'),
        $t->key('due', 'billing'), $n);

    # all are due
    my $due = $redis->command('ZRANGE', $t->key('due', 'billing'), 0, 0,
        'WITHSCORES')->[1];
    poll_until(sub { 1000 * $redis->command('TIME')->[0] > $due }, 5);

    my %before = cpu();
    $t->resume('billing');
    $meanwhile->() if $meanwhile;
    ok(poll_until(sub { waiting() == 0 }, 30), "$n events are delivered");
    my %after = cpu();
    return map { $_ => $after{$_} - $before{$_} } keys %after;
}


sub waiting {
    return $redis->command('XLEN', $t->key('s', 'billing'));
}


# events of the other consumer come and go before those have all gone

sub others {
    my $n = 0;
    while (1) {
        my $key = $t->next_key;
        $t->accept({id => $key, type => 'crm'});
        last if !$t->empty('crm') || waiting() == 0;
        $n++;
    }
    cmp_ok($n, '>', 5, "$n events of another consumer meanwhile");
    return;
}


sub cpu {
    my $ticks = 0;
    for my $pid ($t->workers) {
        my $stat = $t->read_file("/proc/$pid/stat");
        my @field = split ' ', $stat =~ s/.*\)//sr;
        $ticks += $field[11] + $field[12];
    }
    return (time => time(), workers => $ticks / 100,
        redis => $redis->info('used_cpu_user')
            + $redis->info('used_cpu_sys'));
}


sub each_once {
    my %times;
    for my $line (grep { / \[billing\] / } $t->attempts(0)) {
        $times{$1}++ if $line =~ /\[delivered\] \[($MANY-\d+)\]/;
    }
    is(scalar keys %times, $MANY, 'each event is delivered');
    is(scalar(grep { $_ != 1 } values %times), 0, 'once');
    return;
}
