#!/usr/bin/perl

# tools/plum-demo, the program behind "make run": its deliveries, and its
# queue, go as they should, it shows what comes after them, and it leaves
# nothing behind.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Process
    qw(spawn reap end_process poll_until run_command);

my $t = Test::Plum->new;
my $demo = $t->root . '/tools/plum-demo';
my @argv = ($demo, '--module', $t->{module});

once();
until_interrupted();
without_module();

$t->done_testing;


sub once {
    my ($status, $said) = run_command(@argv, '--once');
    is($status, 0, 'status') or diag($said);
    like($said, qr/All 7 went as they should/, 'its own judgement');

    my @parts = split /^\d\. /m, $said;
    shift @parts;
    my @want = (
        ['200', 'accepted', 1], ['200', 'duplicate', 0],
        ['401', 'refused: credential_mismatch', 0],
        ['401', 'refused: timestamp_stale', 0],
        ['403', 'refused: tls_required', 0],
    );
    is(scalar @parts, 7, 'five deliveries, and two parts of a queue');

    for my $i (0 .. 4) {
        my ($answer, $verdict, $received) = @{$want[$i]};
        my $n = $i + 1;
        like($parts[$i], qr{^\s+answer\s+HTTP/1\.1 $answer }m, "$n: answer");
        like($parts[$i], qr{^\s+gateway\s+$verdict$}m, "$n: verdict");
        like($parts[$i], $received ? qr/received POST/ : qr/received nothing/,
            "$n: what the consumer received");
    }
    like($parts[0], qr/sent .* "poNumber"/, 'a field that is sent');
    unlike($parts[0], qr/body .*poNumber/, 'and stripped');
    like($parts[5], qr{^\s+answer\s+HTTP/1\.1 200 .*^\s+gateway\s+accepted$}ms,
        'accepted while a consumer is down');
    like($parts[5], qr/^ +crm +received POST/m, 'the other one has it');
    unlike($parts[5], qr/body .*orderId/, '... and no more than it may see');
    like($parts[6], qr/^ +billing +received POST/m, 'and the first one later');
    like($parts[6], qr/body .*orderId/, '... with all of it');
    nothing_left($said);
    return;
}


sub until_interrupted {
    my $out = $t->path('demo.out');
    my $pid = spawn(\@argv, stdout => $out, stderr => $out);
    poll_until(sub { $t->read_file($out) =~ /Ctrl-C ends/ }, 20);

    # the command that it prints, to the letter
    my $said = $t->read_file($out);
    my ($command) = $said =~ m{^(  \S+/plum-send \\\n(?:      .*\n)+)}m;
    ok($command, 'it prints a command') or diag($said);
    my ($status, $answer) = run_command('sh', '-c', $command || 'false');
    is($status, 0, 'which works') or diag($answer);

    my $shown = poll_until(sub {
        my $later = substr $t->read_file($out), length $said;
        return $later =~ /received POST.*gateway +accepted/s ? $later : '';
    }, 5);
    ok($shown, 'and is shown');

    kill 'INT', $pid;
    ok(poll_until(sub { defined reap($pid) }, 10), 'it ends on SIGINT');
    is(end_process($pid), 0, 'in peace');
    nothing_left($said);
    return;
}


sub without_module {
    my ($status, $said) = run_command($demo, '--module', '/nonexistent.so');
    is($status, 1, 'no module');
    like($said, qr/is missing: build it with make/, 'and what to do');
    is((run_command($demo, '--bogus'))[0], 2, 'another option');
    return;
}


sub nothing_left {
    my ($said) = @_;

    my ($dir) = $said =~ /^Files\s+(\S+)$/m;
    ok($dir && !-e $dir, 'its folder is gone');
    my ($port) = $said =~ m{^Gateway\s+https://localhost:(\d+)}m;
    is(Test::Plum::Client->new(port => $port)->request->status, 0,
        'its gateway is gone');
    return;
}
