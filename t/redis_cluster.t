#!/usr/bin/perl

# Redis Cluster in plain life: records are spread over the masters, each where
# its key belongs.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Cluster;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);

# two hosts, one cluster, one upstream
my $t = Test::Plum::Gateway->new(workers => 2);
my $other = Test::Plum::Gateway->new(workers => 2);
my $cluster = Test::Plum::Cluster->new(test => $t);

my %setting = (
    stores => 'plum_store events redis+cluster://' . $cluster->seeds . ';',
    locations => {
        '/refuse' => 'plum_idempotency events in_flight=refuse;',
        '/one' => 'plum_idempotency events wait_replicas=1;',
        '/two' => 'plum_idempotency events wait_replicas=2;',
    },
);
$t->gateway(%setting);
$other->gateway(%setting, of => $t);
my $up = $t->{up};
ok($_->recovers, 'a good delivery') for $t, $other;

spread();
slots();
copies();
hash_tags();
replicas();
reload();
connections();

ok($other->finish, 'the other nginx quits in peace');
$t->done_testing;


sub get {
    my ($key) = @_;

    my $value = $cluster->command(stored($key), 'GET', stored($key));
    return defined $value ? $value : '';
}


sub redirects {
    my ($kind) = @_;
    return $cluster->sum(qr/^errorstat_$kind:count=(\d+)/m);
}


sub spread {
    my @keys = map { $t->next_key } 1 .. 40;
    is($t->forwards(sub {
        for my $host ($t, $other) {
            is($host->status($_), 200, 'new, then a duplicate') for @keys;
        }
    }), 40, 'each is forwarded once');

    for my $key (@keys) {
        ok(poll_until(sub { get($key) eq 'd' }, 5),
            'its record is at the master of its slot');
    }
    for my $master ($cluster->masters) {
        cmp_ok($master->command('DBSIZE'), '>', 2, "$master->{name} has some");
        like($_->command('INFO', 'keyspace'), qr/keys=/, 'its replica, too')
            for $cluster->replicas($master);
    }
    return;
}


# the slot of a key is known before it is sent

sub slots {
    my @letters = map { chr } grep { chr !~ /["\\]/ } 33 .. 126;
    my @keys = map { join '', map { $letters[rand @letters] }
        0 .. rand 40 } 1 .. 200;
    my $before = redirects('MOVED');

    is(scalar(grep { $t->status($_) != 200 } @keys), 0, '200 random keys');
    is(redirects('MOVED'), $before, 'go to their slots at once');
    return;
}


# each master has one

sub replicas {
    my @keys = map {
        my $master = $_;
        map { $cluster->key_at($master, sub { $t->next_key }) } 1 .. 2;
    } $cluster->masters;

    is($t->forwards(sub {
        is($t->status($_, '/two'), 503, 'no master has two') for @keys;
    }), 0, 'not forwarded');
    is($t->forwards(sub {
        is($t->status($_, '/one'), 200, 'each has one') for @keys, @keys;
    }), scalar @keys, 'forwarded once');
    return;
}


sub copies {
    my $hosts = sub { return ($t, $other)[$_[0] % 2] };

    is($t->forwards(sub {
        for (1 .. 10) {
            my $key = $t->next_key;
            my @copies = map { $hosts->($_)->start($key) } 1 .. 6;
            my @status = map { $_->read_response->status } @copies;
            is("@status", '200 200 200 200 200 200', "six copies of $key");
        }
    }), 10, 'ten events of 60 deliveries');

    my $key = $t->next_key;
    $up->script({gate => $key, status => 500});
    is($t->forwards(sub {
        my $first = $t->start($key);
        $up->wait_for(1);
        is($other->status($key, '/refuse'), 409, 'in flight: refused');
        my $copy = $other->start($key);
        is($copy->read_raw(0.1), '', 'or it waits');
        $up->open_gate($key);
        is($first->read_response->status, 500, 'the first fails');
        is($copy->read_response->status, 200, 'the copy is forwarded');
    }), 2, 'a failure is released');
    return;
}


# what stands in braces decides where a record lies: {} does not, nor does {

sub hash_tags {
    my %tags = ('{user}' => 1, 'a{user}b{c}' => 1, '{}' => 0, '{' => 0,
        '}{' => 0, '{{user}}' => 1);

    for my $tag (sort keys %tags) {
        my @keys = map { "$tag$_" } map { $t->next_key } 1 .. 12;
        my $before = redirects('MOVED');
        is($t->forwards(sub {
            $t->status($_) for @keys, @keys;
        }), 12, "$tag: each is forwarded once");
        is(redirects('MOVED'), $before, "$tag: and known where");

        my %at = map { $cluster->node_of(stored($_))->{name} => 1 } @keys;
        is(keys %at == 1 ? 1 : 0, $tags{$tag}, "$tag: at one node or several")
            or diag(join ' ', keys %at);
        ok(poll_until(sub {
            return join('', map { get($_) } @keys) eq 'd' x 12;
        }, 5), 'all are there');
    }
    return;
}


sub reload {
    my @keys = map { $t->next_key } 1 .. 9;
    is($t->forwards(sub {
        $t->status($_) for @keys;
        ok($t->reload, 'reload');
        is($t->status($_), 200, 'a duplicate, or new') for @keys, $t->next_key;
    }), 10, 'new workers know the records');
    return;
}


# two workers each at two hosts, replication, and our own

sub connections {
    ok(poll_until(sub { $t->workers(all => 1) == 2 }, 10), 'old ones leave');
    for my $master ($cluster->masters) {
        my @clients = grep { /flags=N / }
            split /\n/, $master->command('CLIENT', 'LIST');
        cmp_ok(scalar @clients, '<=', 5, "$master->{name}: one per worker");
    }
    return;
}
