#!/usr/bin/perl

# The benchmark still works: its tools build, a row passes its check, and one
# second of load gives figures that can be figures.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../bench/lib";

use Test::More;
use Test::Plum::Process qw(run_command);

use Bench::Check qw(check_row);
use Bench::Rows qw(row row_names);
use Bench::Site;

my ($failed, $output) = run_command('make', '-s', '-C', "$FindBin::Bin/..",
    'bench-build');
is($failed, 0, 'the tools build') or BAIL_OUT($output);

for my $name (row_names()) {
    my $row = row($name);
    ok($row->{node} || -e "$FindBin::Bin/../bench/conf/$row->{conf}.conf",
        "$name has a configuration");
}

my ($notes, @wrong) = check_row(row('memory'));
is_deeply(\@wrong, [], "all checks: $notes");

# a row that does less than it should is found out
my ($less, @found) = check_row({%{row('project')}, may => 'store'});
is("@found", 'a duplicate: forwarded 1 times', 'the check can fail');

my $site = Bench::Site->new(redis => 0);
my $plain = figures('plain');
my $full = figures('memory-copies');
cmp_ok($full->{watch}{gateway}{cpu_us}, '<',
    20 * $plain->{watch}{gateway}{cpu_us}, 'checks are no twenty proxies');
ok(!$plain->{status}{copy}{204}, 'no copies where none are asked for');
my $copies = $full->{status}{copy}{200} / $full->{events};
ok($copies > 0.02 && $copies < 0.2, "about a tenth are copies: $copies");
is_deeply([$site->finish], [], 'nothing in the logs');
done_testing;


# of one second

sub figures {
    my ($name) = @_;

    my $got = $site->load($site->gateway(row($name)), size => '1k',
        seconds => 1, copies => row($name)->{copies}, connections => 8);
    is(Bench::Site::failures($got), 0, "$name: all were acknowledged");
    cmp_ok($got->{events}, '>', 100, "$got->{events} events");
    cmp_ok($got->{seconds}, '>', 0, "in $got->{seconds} s");
    is($got->{body_bytes}, 1024, 'of 1 KB');

    my ($p50, $p90, $p99, $max) = @{$got->{latency_us}}{qw(p50 p90 p99 max)};
    ok($p50 > 0 && $p50 <= $p90 && $p90 <= $p99 && $p99 <= $max,
        "latencies: $p50, $p90, $p99, $max us");
    for my $what (qw(gateway upstream)) {
        my $watch = $got->{watch}{$what};
        ok($watch->{cpu_us} > 0.5 && $watch->{cpu_us} < 5000,
            "$what: $watch->{cpu_us} us of CPU an event");
        ok($watch->{cpu_s} <= 1.1 * $got->{seconds} + 0.1,
            'on no more than one core');
        cmp_ok($watch->{rss_kb}, '>', $watch->{private_kb}, 'memory');
    }
    return $got;
}
