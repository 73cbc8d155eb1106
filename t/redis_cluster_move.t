#!/usr/bin/perl

# Redis Cluster: a master that hands over, and a slot that moves to another
# one, are nothing that a delivery notices.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::Cluster;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Senders;

# two hosts, one cluster, one upstream
my $t = Test::Plum::Gateway->new(workers => 2);
my $other = Test::Plum::Gateway->new(workers => 2);
my $cluster = Test::Plum::Cluster->new(test => $t);

my %setting = (
    stores => 'plum_store events redis+cluster://' . $cluster->seeds . ';',
);
$t->gateway(%setting);
$other->gateway(%setting, of => $t);
my $up = $t->{up};
ok($_->recovers, 'a good delivery') for $t, $other;

failover();
migration();
live_migration();

ok($other->finish, 'the other nginx quits in peace');
$t->done_testing;


sub redirects {
    my ($kind) = @_;
    return $cluster->sum(qr/^errorstat_$kind:count=(\d+)/m);
}


sub failover {
    for my $master (($cluster->masters)[0, 1]) {
        my @keys = map { $cluster->key_at($master, sub { $t->next_key }) }
            1 .. 6;
        is($t->status($_), 200, 'new') for @keys[0 .. 2];
        my $heir = $cluster->failover($master);

        is($t->forwards(sub {
            is($_->status($keys[0]), 200, 'a duplicate') for $t, $other;
            is($t->status($_), 200, "new, at $heir->{name}")
                for @keys[3 .. 5];
        }), 3, 'no delivery has noticed');
        like($heir->command('GET', stored($_)), qr/\Ad/, 'the record')
            for @keys;
        ok(poll_until(sub {
            my $before = redirects('MOVED');
            $_->status($keys[1]) for ($t, $other) x 6;
            return redirects('MOVED') == $before;
        }, 5), 'soon nothing is redirected any more');
    }
    return;
}


# with events in it, one of them pending; in all stages of the way

sub migration {
    my $slot = $cluster->slot('plum:{way}');
    my ($to) = grep { $_ != $cluster->owner($slot) } $cluster->masters;
    my @keys = map { '{way}' . $t->next_key } 1 .. 10;
    my $held = '{way}' . $t->next_key;

    is($t->status($_), 200, 'before') for @keys;
    $up->forget;
    $up->script({gate => $held});
    my $first = $t->start($held);
    $up->wait_for(1);
    my $asked = redirects('ASK');

    $cluster->begin_migration($slot, $to);
    _stage('begun', \@keys);
    is($cluster->move_keys($slot, $to, 6), 6, 'some of them are moved');
    _stage('half', \@keys);
    $cluster->move_keys($slot, $to);
    _stage('moved', \@keys);
    cmp_ok(redirects('ASK'), '>', $asked, 'deliveries were redirected');

    my $copy = $other->start($held);
    is($copy->read_raw(0.1), '', 'a copy waits for the pending one');
    $up->open_gate($held);
    is($_->read_response->status, 200, 'both succeed') for $first, $copy;
    ok(poll_until(sub { ($to->command('ASKING')
        && $to->command('GET', stored($held)) || '') eq 'd' }, 5),
        'the commit follows its record');

    $cluster->end_migration($slot, $to);
    _stage('ended', \@keys);
    is(scalar(grep { $_->{body} =~ /\Q$held\E/ } $up->requests), 0,
        'the pending one was not forwarded again');
    return;
}


# three new ones each time, one of them as copies at once

sub _stage {
    my ($what, $keys) = @_;

    my @new = map { '{way}' . $t->next_key } 1 .. 3;
    is($t->forwards(sub {
        for my $key (@$keys, @new, @new) {
            is($_->status($key), 200, "$what: $key") for $t, $other;
        }
        my $key = '{way}' . $t->next_key;
        my @copies = map { $_->start($key) } ($t, $other) x 2;
        is($_->read_response->status, 200, "$what: a copy") for @copies;
    }), 4, "$what: new ones are forwarded once, old ones are known");
    push @$keys, @new;
    return;
}


# a slot to and fro under load: all events are of it

sub live_migration {
    my $slot = $cluster->slot('plum:{live}');
    my $load = Test::Plum::Senders->new(test => $t, others => [$other],
        key => sub { "{live}$_[0]" });
    my ($asked, $moved) = map { redirects($_) } qw(ASK MOVED);

    for (1 .. 3) {
        my ($to) = grep { $_ != $cluster->owner($slot) } $cluster->masters;
        $cluster->begin_migration($slot, $to);
        for (1 .. 5) {
            $cluster->move_keys($slot, $to, 5);
            $load->acknowledges(5);
        }
        $cluster->move_keys($slot, $to);
        $load->acknowledges(20);
        $cluster->end_migration($slot, $to);
        $load->acknowledges(20);
    }
    my $facts = $load->finish;

    diag("$facts->{events} events, ", redirects('ASK') - $asked, ' ASK, ',
        redirects('MOVED') - $moved, ' MOVED');
    cmp_ok($facts->{events}, '>', 50, 'events');
    cmp_ok(redirects('ASK'), '>', $asked + 10, 'many were redirected');
    is($facts->{status}, '200', 'none has noticed');
    is($facts->{missing}, '', 'all were forwarded');
    is($facts->{doubled}, '', 'once');
    return;
}
