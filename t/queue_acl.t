#!/usr/bin/perl

# The ACL rules of docs/QUEUE.md: what the gateway needs, no more; what a
# reader of one published stream may do.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $doc = do {
    open my $file, '<', Test::Plum::root() . '/docs/QUEUE.md' or die $!;
    local $/;
    <$file>;
};
my ($gateway, $reader) = map { rule($_) } qw(nginx ledger);

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always', users => [
    $gateway, $reader, $gateway =~ s/\Anginx/blind/r =~ s/ \+config\|get//r,
]);
$t->secret('password', 'PASSWORD');

my $at = '@127.0.0.1:%%PORT_redis%% password_file=%%TESTDIR%%/password';
$t->gateway(
    allow => 'all_of_them',
    store => "redis://nginx$at",
    lists => "plum_store blind redis://blind$at;",
    consumers => ['deliver billing /deliver/billing max=2;',
        'publish ledger keep=1h group=readers;'],
    http => join("\n", map {
        "plum_queue blind_$_ { store blind; accepted $_; publish p keep=1h; }"
    } qw(fsync aof memory)),
    more => join("\n", map {
        "location /$_ { plum on; plum_accept blind_$_; }"
    } qw(fsync aof memory)),
);
$t->pause('billing');

is($t->accept({id => 'a', type => 'x'})->status, 200, 'accepted');
is($t->accept({id => 'a', type => 'x'})->status, 200, 'a duplicate');
is($t->accept({id => 'b', type => 'x'})->status, 200, 'another one');
is($t->accept({id => 'c', type => 'x'})->status, 503, 'full');

# sweep and trim come within a second or so
ok(poll_until(sub { my @calls = $redis->info('cmdstat_xinfo|groups') =~
    /calls=(\d+)/; $calls[0] > 3 }, 5), 'housekeeping');
is(join('', map { "$_->[9] $_->[7]\n" } denied('nginx')), '',
    'nothing is denied to the gateway');

blind();
reads();

$t->done_testing;


sub rule {
    my ($user) = @_;

    my ($line) = $doc =~ /^user ($user on .*)$/m;
    return $line;
}


# of the ACL log, as lists

sub denied {
    my ($user) = @_;

    return grep { join(' ', @$_) =~ /username \Q$user\E / }
        @{$redis->command('ACL', 'LOG', 128)};
}


# without CONFIG GET only what needs no proof is accepted

sub blind {
    for my $level (qw(fsync aof)) {
        is($t->accept({id => 'a'}, uri => "/$level")->status, 503,
            "$level: refused");
        my $line = 'it refuses CONFIG GET, so it is not known whether it '
            . qq(keeps "accepted $level": allow "+config|get" to its user, )
            . 'or write "accepted memory"';
        ok($t->wait_log(qr/\Q$line\E/), 'the log says why');
    }
    is($t->accept({id => 'a'}, uri => '/memory')->status, 200, 'memory');
    ok($t->wait_log(qr/not known whether its maxmemory-policy is/),
        'with a word in the log');
    return;
}


sub reads {
    my $user = Test::Plum::Redis::Connection->new(port => $redis->port);
    $user->call('AUTH', 'ledger', 'PASSWORD');
    my $stream = $t->key('s', 'ledger');
    is($user->call('XGROUP', 'CREATE', $stream, 'readers', 0), 'OK',
        'a reader makes its group');
    my $got = $user->call('XREADGROUP', 'GROUP', 'readers', 'one', 'STREAMS',
        $stream, '>');
    is(scalar @{$got->[0][1]}, 2, 'and reads the stream');
    is($user->call('XACK', $stream, 'readers', $got->[0][1][0][0]), 1,
        'and acknowledges');

    my $billing = $t->key('s', 'billing');
    for my $command (['XRANGE', $billing, '-', '+'], ['XDEL', $stream, '1-1'],
        ['XTRIM', $stream, 'MAXLEN', 0], ['DEL', $stream], ['KEYS', '*'],
        ['XREADGROUP', 'GROUP', 'plum', 'x', 'STREAMS', $billing, '>'],
        ['XGROUP', 'DESTROY', $stream, 'readers'],
        ['GET', 'plum:{orders}:k:a'])
    {
        ok(!eval { $user->call(@$command); 1 }, "not: @$command");
        like($@, qr/NOPERM/, 'no permission');
    }
    return;
}
