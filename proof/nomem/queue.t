#!/usr/bin/perl

# A queue of a gateway whose allocations fail now and then: senders retry until
# they are acknowledged.  Each consumer gets every acknowledged event, no worker
# dies, nothing leaks (the NGINX under test has sanitizers).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../t/lib";

use Test::More;
use Test::Plum::Process qw(poll_until spawn_sub reap);
use Test::Plum::Queue;
use Test::Plum::Redis;
use Time::HiRes qw(sleep time);

my $SECONDS = $ENV{PLUM_SECONDS} || 10;
my $SENDERS = 3;

my $t = Test::Plum::Queue->new(workers => 2, log => 'warn',
    env => {PLUM_FAIL => $ENV{PLUM_FAIL} || 60});
my $redis = Test::Plum::Redis->new(test => $t, aof => 1);
my $crm = $t->upstream('crm');

$t->secret('billing', 'a key of the consumer, 0123456789');
$t->gateway(
    queue => 'accepted aof;',
    lists => <<'LISTS',
        plum_secret billing %%TESTDIR%%/billing;
        plum_allowlist narrow { event_type type; allow id; allow x for=t; }
LISTS
    allow => 'all_of_them',
    consumers => ['deliver billing /deliver/billing;',
        'deliver crm /deliver/crm allow=narrow for=t;',
        'publish stats keep=1h;'],
    deliver => 'plum_deliver concurrency=8 retry=10ms,20ms,30ms,40ms,50ms,60ms,'
        . '70ms,80ms,90ms,100ms breaker=1000:1s;'
        . ' plum_sign standard-webhooks secret=billing;',
    locations => {
        '/deliver/crm' => 'proxy_pass http://127.0.0.1:%%PORT_crm%%;',
    },
);
my %old = map { $_ => 1 } $t->workers;

my $end = time() + $SECONDS;
my @senders = map { sender($_) } 1 .. $SENDERS;
poll_until(sub { !grep { !defined reap($_) } @senders }, $SECONDS + 30);
is(scalar(grep { reap($_) != 0 } @senders), 0, 'all senders came to an end');

my @acknowledged = map { split /\n/, $t->read_file("sent.$_") } 1 .. $SENDERS;
cmp_ok(scalar @acknowledged, '>', 50, 'events are acknowledged');
ok($t->empty($_, 60), "$_: nothing waits any more") for qw(billing crm);

arrived('billing', $t->{up});
arrived('crm', $crm);
my %published = map { $_->{k} => 1 } $t->entries('stats');
is(join(' ', grep { !$published{$_} } @acknowledged), '', 'all is published');
is(join(' ', grep { !$old{$_} } $t->workers), '', 'no worker has died');

$t->done_testing;


# a dead letter is one that failed ten times, and none that is lost

sub arrived {
    my ($name, $up) = @_;

    my %got;
    $got{$_->{body} =~ /"id":"([^"]+)"/ ? $1 : ''}++ for $up->requests;
    my %dead = map { $_->{k} => 1 } $t->entries($name, 'dead');
    is(join(' ', grep { !$got{$_} && !$dead{$_} } @acknowledged), '',
        "$name: no acknowledged event is missing");
    diag("$name: ", scalar(@acknowledged), ' acknowledged, ',
        scalar(keys %dead), ' dead, ',
        scalar(grep { $got{$_} > 1 } keys %got), ' doubled');
    return;
}


sub sender {
    my ($n) = @_;

    return spawn_sub(sub {
        my @sent;
        for (my $serial = 0; time() < $end; $serial++) {
            my $id = "$n-$serial";
            for (1 .. 60) {
                my $status = $t->accept({id => $id, type => 't', x => 'y'})
                    ->status;
                push(@sent, $id), last if $status == 200;
                sleep 0.05;
            }
        }
        $t->write_file("sent.$n", join "\n", @sent, '');
    });
}
