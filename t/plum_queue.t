#!/usr/bin/perl

# tools/plum-queue: what it shows of a queue, and what it changes, as an
# operator who is a user of Redis with no more rights than it needs.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use JSON::PP ();
use Test::More;

use Test::Plum::Process qw(poll_until run_command);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $TOOL = dirname(__FILE__) . '/../tools/plum-queue';

# docs/QUEUE.md has these rules
my $OPERATOR = '~plum:{orders* +scan +info +config|get +eval +xlen +xrange'
    . ' +xpending +xadd +xdel +xack +xgroup|create +zcard +zscore +zrange'
    . ' +zrem +hget +hmget +hset +hdel +time +pttl +set +del';

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always', users => [
    'nginx on >gateway ~plum:* +@all',
    "operator on >secret $OPERATOR",
    'guest on >guest ~plum:* +ping +xlen',
]);

$t->secret('password', 'gateway');
$t->gateway(
    allow => 'all_of_them',
    store => 'redis://127.0.0.1:%%PORT_redis%% user=nginx '
        . 'password_file=%%TESTDIR%%/password',
    consumers => [
        'deliver billing /deliver/billing;',
        'deliver crm /deliver/crm for=order.*;',
        'publish warehouse keep=1h;',
    ],
);
$t->pause($_) for qw(billing crm);

command_lines();
nothing();
waiting();
checked();
dead_letters();
dropped();
paused();
refused();

$t->done_testing;


# status, standard output and error together

sub tool {
    my (@argv) = @_;

    local $ENV{REDISCLI_AUTH} = 'secret';
    return run_command($^X, $TOOL, '--queue', 'orders', '-p',
        $redis->port, '--user', 'operator', @argv);
}


# what it says as JSON, a hash for each line

sub said {
    my (@argv) = @_;

    my ($status, $text) = tool('--json', @argv);
    is($status, 0, "plum-queue @argv") or diag($text);
    return map { JSON::PP->new->decode($_) } split /\n/, $text;
}


sub fails {
    my ($name, $expected, $text, @argv) = @_;

    my ($status, $said) = tool(@argv);
    is($status, $expected, "$name: status $expected");
    like($said, $text, '... and it says what is wrong');
    return;
}


sub command_lines {
    fails('no command', 2, qr/no command given/);
    fails('another command', 2, qr/no command "look"/, 'look');
    fails('no id', 2, qr/"show" wants one argument/, 'show');
    fails('no id of an entry', 2, qr/not the id of an entry .*"7"/, 'show', 7);
    fails('no such option', 2, qr/unknown option: all-of-them/,
        '--all-of-them');
    fails('no level', 2, qr/--accepted is .* not "disk"/, '--accepted',
        'disk', 'check');
    fails('no age', 2, qr/not an age .*"often"/, '--since', 'often', 'replay',
        '--all');
    fails('replay of nothing', 2, qr/wants an ID, or --all/, 'replay');
    fails('too many shards', 2, qr/1 to 64 shards, not 65/, 'move', '--to',
        65);
    fails('no redis-cli', 2, qr/cannot run nobody.s-cli/, '--redis-cli',
        "nobody's-cli", 'list');

    my ($status, $text) = tool('--help');
    is($status, 0, '--help');
    like($text, qr/^Usage: plum-queue/, '... says how');
    return;
}


sub nothing {
    my ($status, $text) = tool('list');
    is($status, 0, 'an empty queue is listed');
    fails('but not for a stranger', 2, qr/no consumer "nobody" has anything/,
        'list', 'nobody');
    return;
}


sub waiting {
    is($t->accept({id => 'first', type => 'order.paid'})->status, 200,
        'an event for both');
    is($t->accept({id => 'second', type => 'offer.seen'})->status, 200,
        'and one for billing alone');

    my %of = map { $_->{name} => $_ } said('list');
    is_deeply([map { "$_ $of{$_}{kind} $of{$_}{waiting}" } sort keys %of],
        ['billing consumer 2', 'crm consumer 1', 'warehouse published 2'],
        'what waits for whom');

    my ($status, $text) = tool('list');
    like($text, qr/^billing\s+consumer\s+2\s.*paused by test$/m,
        'and as a table');

    my @entries = said('list', 'billing');
    is_deeply([map { "$_->{key} $_->{event} $_->{state}" } @entries],
        ['first order.paid waiting', 'second offer.seen waiting'],
        'the entries of a consumer');
    ok(!exists $entries[0]{body}, 'without bodies');
    is(scalar said('--limit', 1, 'list', 'billing'), 1, '--limit');

    ($status, $text) = tool('show', $entries[0]{id}, '--consumer', 'billing');
    like($text, qr/^key\s+first$/m, 'show');
    unlike($text, qr/order.paid"/, '... without the body');
    ($status, $text) = tool('show', $entries[0]{id}, '--body');
    like($text, qr/"type":"order.paid"/, '... and with it');
    return;
}


sub checked {
    fails('a pause is found', 1, qr/billing, \{orders\}: paused by test/,
        'check');

    $redis->command('CONFIG', 'SET', 'appendfsync', 'everysec');
    fails('a disk that is not waited for', 1,
        qr/appendfsync is everysec: set always/, 'check');
    my ($status, $text) = tool('check', '--accepted', 'aof');
    unlike($text, qr/appendfsync/, '... is enough for accepted=aof');
    $redis->command('CONFIG', 'SET', 'appendfsync', 'always');

    $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    fails('eviction', 1, qr/maxmemory-policy is allkeys-lru: set noeviction/,
        'check');
    $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');

    fails('replicas', 1, qr/0 replicas, of 2/, 'check', '--accepted',
        'replicas=2');

    # taken by hand, so that no clock knows of it
    $redis->command('XREADGROUP', 'GROUP', 'plum', 'plum', 'COUNT', 1,
        'STREAMS', $t->key('s', 'crm'), '>');
    fails('an entry without a clock', 1,
        qr/crm, \{orders\}: 1 pending entries have neither/, 'check');
    my $entry;
    ok(poll_until(sub {
        # the sweep of each minute may have given it a lease
        $redis->command('DEL', $t->key('lease', 'crm'));
        ($entry) = said('list', 'crm');
        return $entry->{state} eq 'lost its clock';
    }, 10), '... which list shows, too');

    $redis->command('ZADD', $t->key('lease', 'crm'), 9e12, $entry->{id});
    ($entry) = said('list', 'crm');
    is($entry->{state}, 'in flight', 'with a lease it is in flight');
    fails('what is in flight is not dropped', 1, qr/an attempt is under way/,
        'drop', $entry->{id}, '--consumer', 'crm', '--yes');

    $redis->command('ZREM', $t->key('lease', 'crm'), $entry->{id});
    $redis->command('ZADD', $t->key('due', 'crm'), 9e12, $entry->{id});
    ($entry) = said('list', 'crm');
    is($entry->{state}, 'retry', 'with a time it is to be tried again');
    $redis->command('ZADD', $t->key('due', 'crm'), 9e12, '1-1');
    fails('a clock without an entry', 1,
        qr/1 times of entries that are not pending/, 'check');
    $redis->command('ZREM', $t->key('due', 'crm'), '1-1');
    return;
}


sub bury {
    my ($key, $ms, %with) = @_;

    my $now = time * 1000;
    return $redis->command('XADD', $t->key('dead', 'billing'),
        ($now - $ms) . '-0', i => '5-0', a => 10, s => 500, r => 'retries',
        k => $key, e => 'order.paid', t => $now - $ms, b => '{"id":"x"}',
        %with);
}


sub dead_letters {
    my @ids = (bury('old', 7_200_000), bury('young', 60_000),
        bury('youngest', 1_000));

    my @dead = said('dead');
    is_deeply([map { "$_->{key} $_->{reason} $_->{status} $_->{attempts}" }
        @dead], [map { "$_ retries 500 10" } qw(old young youngest)],
        'the dead letters');
    fails('they are found by check', 1, qr/billing, \{orders\}: 3 dead/,
        'check');

    fails('replay asks, if there are many', 2, qr/replay 2 dead letters: add/,
        'replay', '--all', '--since', '1h');
    said('replay', '--all', '--since', '1h', '--yes');
    is_deeply([map { $_->{key} } said('dead')], ['old'],
        'the young ones are replayed');
    my @entries = said('list', 'billing');
    is_deeply([map { $_->{key} } @entries[-2, -1]], [qw(young youngest)],
        '... and wait again, with their keys');

    said('replay', $ids[0]);
    is(scalar said('dead'), 0, 'and so is one by its id');
    fails('which is not there any more', 2, qr/no entry $ids[0]/, 'replay',
        $ids[0]);
    return;
}


sub dropped {
    my $id = bury('nobody', 0);
    fails('drop asks', 2, qr/delete $id of billing for ever, key nobody: add/,
        'drop', $id);
    said('drop', $id, '--yes');
    is(scalar said('dead'), 0, 'a dead letter is dropped');

    my ($entry) = grep { $_->{key} eq 'second' } said('list', 'billing');
    said('drop', $entry->{id}, '--consumer', 'billing', '--yes');
    is(scalar(grep { $_->{key} eq 'second' } said('list', 'billing')), 0,
        'an entry is dropped');
    fails('and is gone', 2, qr/no entry $entry->{id}/, 'show',
        $entry->{id}, '--consumer', 'billing');
    return;
}


sub paused {
    said('resume', 'billing');
    my ($billing) = grep { $_->{name} eq 'billing' } said('list');
    ok(!$billing->{paused_by}, 'resumed');
    my ($again) = said('resume', 'billing');
    is($again->{result}, 'not paused', 'and not again');

    said('pause', 'billing');
    ($billing) = grep { $_->{name} eq 'billing' } said('list');
    is($billing->{paused_by}, 'operator', 'paused');
    return;
}


sub refused {
    local $ENV{REDISCLI_AUTH} = 'wrong';
    my ($status, $text) = run_command($^X, $TOOL, '--queue', 'orders', '-p',
        $redis->port, '--user', 'operator', 'list');
    is($status, 2, 'a wrong password');
    like($text, qr/WRONGPASS|NOAUTH/, '... is said');
    unlike($text, qr/wrong\b/, '... and not shown');

    $ENV{REDISCLI_AUTH} = 'guest';
    ($status, $text) = run_command($^X, $TOOL, '--queue', 'orders', '-p',
        $redis->port, '--user', 'guest', 'list');
    is($status, 2, 'a user without rights');
    like($text, qr/NOPERM/, '... is told');

    is($t->accept({id => 'last', type => 'order.paid'})->status, 200,
        'and events are accepted all the while');
    return;
}
