#!/usr/bin/perl

# Names that nodes and Sentinels announce: those that are configured, with
# whatever port, are known to the system, beside a resolver that does not know
# them and where there is no resolver.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Cluster;
use Test::Plum::Gateway;
use Test::Plum::Nameserver;
use Test::Plum::Redis;
use Test::Plum::Sentinel;

my $t = Test::Plum::Gateway->new;
my $plain = Test::Plum::Gateway->new;
my $cluster = Test::Plum::Cluster->new(test => $t, announce => 'localhost');
my $set = Test::Plum::Sentinel->new(test => $t, announce => 'localhost');
my $replica = Test::Plum::Redis->new(test => $t, name => 'replica');
my $redis = Test::Plum::Redis->new(test => $t);
my $dns = Test::Plum::Nameserver->new(test => $t);

$replica->replicate($redis);
$dns->names;

my %address = (
    hosts => 'redis://localhost:%%PORT_replica%%,localhost:%%PORT_redis%%',
    sentinel => 'redis+sentinel://' . $set->seeds(($set->sentinels)[0])
        . '/main',
    cluster => 'redis+cluster://' . $cluster->seeds(($cluster->nodes)[0]),
);
my %setting = (
    default => 'hosts',
    stores => join('', map { "plum_store $_ $address{$_} timeout=3s;" }
        sort keys %address),
    locations => {map { ("/$_" => "plum_idempotency $_;") } keys %address},
);
$t->gateway(%setting,
    http => 'resolver 127.0.0.1:%%PORT_dns%% ipv6=off valid=1s;');
$plain->gateway(%setting, of => $t);

for (['beside a resolver', $t], ['without a resolver', $plain]) {
    my ($where, $gateway) = @$_;
    for my $kind (sort keys %address) {
        ok($gateway->recovers("/$kind"), "$kind $where: at work");
        my @keys = map { $t->next_key } 1 .. 20;
        is($t->forwards(sub {
            for my $what ('an event', 'a copy') {
                my @bad = grep { $gateway->status($_, "/$kind") != 200 }
                    @keys;
                is("@bad", '', "$kind $where: $what");
            }
        }), scalar @keys, "$kind $where: each once");
    }
}
ok($plain->finish, 'the one without a resolver quits in peace');
$t->done_testing;
