#!/usr/bin/perl

# Sentinels that want a password: that of the nodes will do.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Gateway qw(stored);
use Test::Plum::Sentinel;

my $PASSWORD = 'tr0ub4dor-and-3';

my $t = Test::Plum::Gateway->new;
my $set = Test::Plum::Sentinel->new(test => $t, password => $PASSWORD,
    guarded => 1);
my $seeds = $set->seeds . '/main';

$t->secret('password', $PASSWORD);
$t->secret('other', 'incorrect-horse-7');
$t->gateway(
    default => 'events',
    stores => "plum_store events redis+sentinel://$seeds timeout=3s
            password_file=%%TESTDIR%%/password;
        plum_store wrong redis+sentinel://$seeds
            password_file=%%TESTDIR%%/other;
        plum_store none redis+sentinel://$seeds;",
    locations => {map { ("/$_" => "plum_idempotency $_;") } qw(wrong none)},
);
ok($t->recovers, 'at work');

my $key = $t->next_key;
is($t->forwards(sub {
    is($t->status($key), 200, $_) for 'an event', 'a copy';
}), 1, 'once');

for (['wrong', qr/it does not take the password.*"wrong"/],
    ['none', qr/it wants a password.*"none"/])
{
    my ($name, $regex) = @$_;
    is($t->status($t->next_key, "/$name"), 503, "$name: refused");
    ok($t->wait_log($regex), "$name: the log says why");
}
is($t->status($t->next_key), 200, 'a good delivery');

unlike($t->error_log, qr/\Q$PASSWORD\E|incorrect-horse/, 'no secret logged');
$t->done_testing;
