#!/usr/bin/perl

# plum_store with Redis: what nginx -t refuses, and what it takes.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $PASSWORD = 'tr0ub4dor-and-3';

my $t = Test::Plum->new;
$t->certificates;
$t->secret('pass', $PASSWORD);
$t->secret('empty', '');
$t->secret('bad', "a\0b");
$t->write_file('open', $PASSWORD, 0644);
$t->write_file('nothing.crt', "no certificate\n");

my $said_all = '';

for my $line (grep { /\S/ } <DATA>) {
    my ($right, $address) = $line =~ /\A([+-]) (.*)\n/;
    my ($status, $said) = $t->test_config(
        "%%GLOBALS%%\nevents {}\nhttp {\nplum_store s $address;\n}\n");
    $said_all .= $said;

    is($status, $right eq '+' ? 0 : 1, $address) or diag($said);
    like($said, qr/\[emerg\].*config-test\.conf:\d+$/m, 'with its line')
        if $right eq '-';
}

unlike($said_all, qr/\Q$PASSWORD\E/, 'no secret in what was said');
$t->done_testing;


__DATA__
+ redis://127.0.0.1
+ redis://127.0.0.1:6379
+ redis://127.0.0.1:6379/15
+ redis://localhost:6379/0
+ redis://nginx@127.0.0.1:6379/2 password_file=%%TESTDIR%%/pass
+ redis://127.0.0.1 password_file=%%TESTDIR%%/pass prefix=a:
+ redis://127.0.0.1 timeout=100ms max_pending=64
+ redis://127.0.0.1 prefix=
+ rediss://localhost
+ rediss://localhost:6380/1 ca=%%TESTDIR%%/ca.crt
+ rediss://localhost ca=%%TESTDIR%%/ca.crt certificate=%%TESTDIR%%/client.crt certificate_key=%%TESTDIR%%/client.key
+ redis://127.0.0.1,127.0.0.2:6380
+ redis://nginx@127.0.0.1,localhost/2 password_file=%%TESTDIR%%/pass
+ redis+cluster://127.0.0.1:7000,127.0.0.2,localhost:7002
+ redis+cluster://127.0.0.1:7000/0
+ rediss+cluster://nginx@localhost:7000 password_file=%%TESTDIR%%/pass ca=%%TESTDIR%%/ca.crt
+ redis+sentinel://127.0.0.1,127.0.0.2:26380/main
+ redis+sentinel://nginx@127.0.0.1/main database=2 password_file=%%TESTDIR%%/pass
+ rediss+sentinel://localhost/main ca=%%TESTDIR%%/ca.crt
+ unix:/run/redis.sock
+ unix:/run/redis.sock prefix=x: timeout=1s
+ unix:/run/redis.sock user=nginx password_file=%%TESTDIR%%/pass database=3

- redis://
- redis://:6379
- redis://127.0.0.1:0
- redis://127.0.0.1:65536
- redis://127.0.0.1:x
- redis://127.0.0.1/x
- redis://127.0.0.1/-1
- redis://@127.0.0.1
- redis://nginx@127.0.0.1
- redis://nginx:secret@127.0.0.1
- redis://no.such.host.invalid:6379
- redis://127.0.0.1 timeout=0
- redis://127.0.0.1 timeout=never
- redis://127.0.0.1 max_pending=0
- redis://127.0.0.1 max_pending=many
- redis://127.0.0.1 unknown=1
- redis://127.0.0.1 password_file=
- redis://127.0.0.1 password_file=%%TESTDIR%%/missing
- redis://127.0.0.1 password_file=%%TESTDIR%%/open
- redis://127.0.0.1 password_file=%%TESTDIR%%/empty
- redis://127.0.0.1 ca=%%TESTDIR%%/ca.crt
- redis://127.0.0.1 certificate=%%TESTDIR%%/client.crt certificate_key=%%TESTDIR%%/client.key
- rediss://localhost ca=%%TESTDIR%%/missing
- rediss://localhost ca=%%TESTDIR%%/nothing.crt
- rediss://localhost certificate=%%TESTDIR%%/client.crt
- rediss://localhost certificate_key=%%TESTDIR%%/client.key
- rediss://localhost certificate=%%TESTDIR%%/client.crt certificate_key=%%TESTDIR%%/stranger.key
- redis://nginx@127.0.0.1/1 user=other password_file=%%TESTDIR%%/pass
- redis://127.0.0.1/1 database=2
- redis://127.0.0.1 timeout=1s timeout=2s
- redis://127.0.0.1,
- redis://,127.0.0.1
- redis://127.0.0.1,no.such.host.invalid
- redis://127.0.0.1,127.0.0.2/x
- redis+cluster://
- redis+cluster://127.0.0.1:7000/1
- redis+cluster://127.0.0.1:7000 database=1
- redis+cluster://127.0.0.1:7000,127.0.0.1:0
- redis+cluster://127.0.0.1:7000 ca=%%TESTDIR%%/ca.crt
- redis+sentinel://127.0.0.1
- redis+sentinel://127.0.0.1/
- redis+sentinel:///main
- redis+sentinel://127.0.0.1/main ca=%%TESTDIR%%/ca.crt
- redis+sentinel://nginx@127.0.0.1/main
- redis+other://127.0.0.1
- unix+cluster:/run/redis.sock
- unix:
- unix:relative.sock timeout=0
- http://127.0.0.1
