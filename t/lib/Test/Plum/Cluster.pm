package Test::Plum::Cluster;

# A Redis Cluster of real servers, each master with one replica.
#
#   my $cluster = Test::Plum::Cluster->new(test => $t);   # three masters
#   'plum_store events redis+cluster://' . $cluster->seeds . ';'
#   $cluster->master_of('plum:key')->kill; $cluster->settled;
#   $cluster->command('plum:key', 'GET', 'plum:key');
#
# Nodes are Test::Plum::Redis, named node1 (a master at first), node2, ...;
# masters come first.  The plan of a test is to skip all where Redis is older
# than 7: it cannot be told the port of its bus.

use strict;
use warnings;

use Test::More ();

use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $SLOTS = 16384;


# %opt:
#   test      the Test::Plum it belongs to
#   masters   3
#   name      of the nodes ("node")
#   announce  a host name, for all of them, in place of addresses
#   conf, tls, users, password, aof   as of Test::Plum::Redis
#
# A slot without a master does not stop the others, unless conf says so.

sub new {
    my ($class, %opt) = @_;

    Test::More::plan(skip_all => 'Redis is older than 7: no cluster-port')
        if Test::Plum::Redis->version < 7;

    my $self = bless {masters => 3, name => 'node', %opt}, $class;
    my $count = 2 * $self->{masters};
    $self->{nodes} = [map { $self->_node("$self->{name}$_") } 1 .. $count];
    $_->ready for $self->nodes;
    $self->_create;
    return $self;
}


sub _node {
    my ($self, $name) = @_;

    my %own = map { $_ => $self->{$_} }
        grep { defined $self->{$_} } qw(tls users password aof);
    my $bus = $self->{test}->port("${name}_bus");
    my @conf = ('cluster-enabled yes', "cluster-port $bus",
        'cluster-node-timeout 1000', 'cluster-allow-replica-migration no',
        'cluster-require-full-coverage no', 'repl-diskless-sync-delay 0',
        # a test may keep a replica waiting for as long as it takes
        'cluster-replica-validity-factor 0',
        $self->{tls} ? 'tls-cluster yes' : (),
        $self->{announce} ? ("cluster-announce-hostname $self->{announce}",
            'cluster-preferred-endpoint-type hostname') : (),
        @{$self->{conf} || []});

    my $node = Test::Plum::Redis->new(test => $self->{test}, name => $name,
        wait => 0, %own, conf => \@conf);
    $node->{bus} = $bus;
    return $node;
}


# all of them know one another, own slots and have a replica in sync

sub _create {
    my ($self) = @_;

    my @nodes = $self->nodes;
    my @masters = @nodes[0 .. $self->{masters} - 1];
    my $share = $SLOTS / @masters;

    for my $i (0 .. $#nodes) {
        my $node = $nodes[$i];
        $node->{id} = $node->command('CLUSTER', 'MYID');
        $node->command('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
        $node->command('CLUSTER', 'ADDSLOTSRANGE', int($i * $share),
            int(($i + 1) * $share) - 1) if $i < @masters;

        # gossip would do, but takes longer
        $node->command('CLUSTER', 'MEET', '127.0.0.1', $_->{port}, $_->{bus})
            for @nodes[0 .. $i - 1];
    }
    for my $i (0 .. $#masters) {
        my $replica = $nodes[@masters + $i];
        _until('REPLICATE', sub { eval {
            $replica->command('CLUSTER', 'REPLICATE', $masters[$i]{id})
        } });
    }
    return $self->settled;
}


sub _until {
    my ($what, $code, $seconds) = @_;

    my $value = poll_until($code, $seconds || 15);
    die "cluster: $what: this did not come about\n" if !$value;
    return $value;
}


# --- what it is

sub nodes { return @{$_[0]{nodes}} }
sub alive { return grep { $_->alive } $_[0]->nodes }


# for an address: "127.0.0.1:7001,127.0.0.1:7002", of these nodes (all)

sub seeds {
    my ($self, @nodes) = @_;

    my $host = $self->{announce} || '127.0.0.1';
    return join ',', map { "$host:$_->{port}" }
        @nodes ? @nodes : $self->nodes;
}


# those alive that own slots, and those alive that follow a master

sub masters {
    my ($self) = @_;

    my %owner = map { $_->[2][2] => 1 }
        @{$self->_asked->command('CLUSTER', 'SLOTS')};
    return grep { $owner{$_->{id}} } $self->alive;
}


sub replicas {
    my ($self, $master) = @_;
    return grep { my $of = _fields($_)->[3];
        $of ne '-' && (!$master || $of eq $master->{id}) } $self->alive;
}


sub _asked { return ($_[0]->alive)[0] }


# of what a node says of itself: id, address, flags, the id of its master,
# ...

sub _fields {
    my ($node) = @_;

    my ($line) = grep { / \S*myself/ }
        split /\n/, $node->command('CLUSTER', 'NODES');
    return [split / /, $line];
}


sub by_id {
    my ($self, $id) = @_;
    my ($node) = grep { $_->{id} eq $id } $self->nodes;
    return $node;
}


# CRC16 (XMODEM) of the key, or of what stands in its first braces

sub slot {
    my (undef, $key) = @_;

    $key = $1 if $key =~ /\A[^{]*\{([^}]+)\}/;
    my $crc = 0;
    for my $byte (unpack 'C*', $key) {
        $crc ^= $byte << 8;
        $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    }
    return $crc % $SLOTS;
}


# the master of a slot, or of the slot of a key; it may be dead

sub owner {
    my ($self, $slot) = @_;

    for my $entry (@{$self->_asked->command('CLUSTER', 'SLOTS')}) {
        return $self->by_id($entry->[2][2])
            if $entry->[0] <= $slot && $slot <= $entry->[1];
    }
    return;
}


sub node_of {
    my ($self, $key) = @_;
    return $self->owner($self->slot($key));
}


# the first of the keys that code makes whose record belongs to that node

sub key_at {
    my ($self, $node, $code) = @_;

    while (1) {
        my $key = $code->();
        my $at = $self->node_of(stored($key));
        return $key if $at && $at == $node;
    }
}


# a command, at the master of that key

sub command {
    my ($self, $key, @words) = @_;
    return scalar $self->node_of($key)->command(@words);
}


# of all nodes alive, summed up: a number of INFO, 0 where it is not there

sub sum {
    my ($self, $regex) = @_;

    my $sum = 0;
    for my $node ($self->alive) {
        my $info = $node->command('INFO', 'everything');
        $sum += $1 if $info =~ $regex;
    }
    return $sum;
}


# --- what becomes of it

# waits until all slots have a master that is alive, all nodes alive agree
# who that is, and the replicas are in sync

sub settled {
    my ($self, $seconds) = @_;

    my $why = '';
    poll_until(sub { !($why = $self->_unsettled) }, $seconds || 20)
        or die "cluster: $why\n";
    return $self;
}


sub _unsettled {
    my ($self) = @_;

    my %views;
    for my $node ($self->alive) {
        my $info = $node->command('CLUSTER', 'INFO');
        return "$node->{name}: $info" if $info !~ /^cluster_state:ok/m;

        my $view = '';
        my $slots = 0;
        for my $range (@{$node->command('CLUSTER', 'SLOTS')}) {
            my ($first, $last, $master, @replicas) = @$range;
            my $owner = $self->by_id($master->[2]);
            return "$node->{name}: a dead owner" if !$owner->alive;
            $slots += $last - $first + 1;
            $view .= join ' ', $first, $last, $master->[2],
                sort(map { $_->[2] } @replicas), '';
        }
        return "$node->{name}: $slots slots" if $slots != $SLOTS;
        $views{$view} = 1;

        my $link = $node->info('master_link_status');
        return "$node->{name}: its master is $link"
            if defined $link && $link ne 'up';
    }
    return keys %views == 1 ? '' : 'they do not agree';
}


# the replica of a master takes over, in an orderly way; returns it

sub failover {
    my ($self, $master) = @_;

    my ($replica) = $self->replicas($master);
    $replica->command('CLUSTER', 'FAILOVER');
    _until('FAILOVER', sub { $replica->info('role') eq 'master' });
    $self->settled;
    return $replica;
}


# --- a slot on its way, in three steps

sub begin_migration {
    my ($self, $slot, $to) = @_;

    my $from = $self->owner($slot);
    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});
    return $self;
}


# at most so many of its keys (all); returns how many it were

sub move_keys {
    my ($self, $slot, $to, $limit) = @_;

    my $from = $self->owner($slot);
    my @who = $from->credentials;
    my @auth = (@who ? @who > 1 ? 'AUTH2' : 'AUTH' : (), @who);
    my $moved = 0;
    while (!defined $limit || $moved < $limit) {
        my $count = defined $limit ? $limit - $moved : 100;
        my @keys = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot,
            $count)} or last;
        $from->command('MIGRATE', '127.0.0.1', $to->port, '', 0, 5000, @auth,
            'KEYS', @keys);
        $moved += @keys;
    }
    return $moved;
}


# the new owner first: else the slot would have none for a moment

sub end_migration {
    my ($self, $slot, $to) = @_;

    my $from = $self->owner($slot);
    my @others = grep { $_ != $to && $_ != $from } $self->masters;
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id})
        for $to, $from, @others;
    return $self->settled;
}


sub migrate {
    my ($self, $slot, $to) = @_;

    $self->begin_migration($slot, $to);
    $self->move_keys($slot, $to);
    return $self->end_migration($slot, $to);
}

1;
