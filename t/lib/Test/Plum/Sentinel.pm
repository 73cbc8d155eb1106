package Test::Plum::Sentinel;

# A replicated Redis and three Sentinels that watch it.
#
#   my $set = Test::Plum::Sentinel->new(test => $t);
#   'plum_store events redis+sentinel://' . $set->seeds . '/main;'
#   $set->master->command('GET', 'plum:key');
#   $set->failover; $set->kill_master;
#
# The nodes are data1 (the master at first), data2, data3; all of them and the
# Sentinels sentinel1 to sentinel3 are Test::Plum::Redis.

use strict;
use warnings;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $COUNT = 3;
my $DOWN_AFTER = 500;    # ms


# %opt:
#   test      the Test::Plum it belongs to
#   master    the name that Sentinels have for it ("main")
#   password  of the nodes; Sentinels want it where guarded is true
#   tls       as of Test::Plum::Redis, for nodes and Sentinels
#   size      how many nodes there are (3)
#   conf      more lines of the configuration of each node
#   announce  a host name, for nodes and Sentinels, in place of addresses; the
#             C library must know it

sub new {
    my ($class, %opt) = @_;

    my $self = bless {master => 'main', size => $COUNT, %opt}, $class;
    my %own = map { $_ => $self->{$_} }
        grep { defined $self->{$_} } qw(test tls);

    $self->{nodes} = [map { Test::Plum::Redis->new(%own, name => "data$_",
        password => $self->{password}, conf => [$self->_node_lines]) }
        1 .. $self->{size}];
    my ($master, @replicas) = $self->nodes;
    $_->replicate($master) for @replicas;

    $self->{sentinels} = [map { Test::Plum::Redis->new(%own, sentinel => 1,
        name => "sentinel$_", conf => [$self->_sentinel_lines],
        $self->{guarded} ? (password => $self->{password}) : ()) }
        1 .. $COUNT];

    _hurry($_) for $self->sentinels;
    return $self->_agree('at first', sub { $_[0] == $master });
}


sub _node_lines {
    my ($self) = @_;
    return ('repl-diskless-sync-delay 0', @{$self->{conf} || []},
        $self->{announce} ? "replica-announce-ip $self->{announce}" : ());
}


sub _sentinel_lines {
    my ($self) = @_;

    my $name = $self->{master};
    my $host = $self->{announce} || '127.0.0.1';
    return (
        $self->{announce} ? ('sentinel resolve-hostnames yes',
            'sentinel announce-hostnames yes') : (),
        "sentinel monitor $name $host " . ($self->nodes)[0]->port . ' 2',
        "sentinel down-after-milliseconds $name $DOWN_AFTER",
        # two candidates with a vote each wait for twice that
        "sentinel failover-timeout $name 1500",
        defined $self->{password}
            ? "sentinel auth-pass $name $self->{password}" : (),
        $self->{guarded} ? "sentinel sentinel-pass $self->{password}" : (),
    );
}


# some of what Sentinels do takes ten seconds otherwise; not in Redis 6

sub _hurry {
    my ($sentinel) = @_;

    eval { $sentinel->command('SENTINEL', 'DEBUG', @$_) }
        for ['info-period', 300], ['publish-period', 200];
    return;
}


sub nodes { return @{$_[0]{nodes}} }
sub sentinels { return @{$_[0]{sentinels}} }
sub alive { return grep { $_->alive } $_[0]->nodes }


# for an address: "127.0.0.1:26379,127.0.0.1:26380", of these Sentinels (all)

sub seeds {
    my ($self, @sentinels) = @_;

    my $host = $self->{announce} || '127.0.0.1';
    return join ',', map { "$host:$_->{port}" }
        @sentinels ? @sentinels : $self->sentinels;
}


# the node that all Sentinels alive take for the master, or undef

sub master {
    my ($self) = @_;

    my %named;
    for my $sentinel (grep { $_->alive } $self->sentinels) {
        my $at = $sentinel->command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME',
            $self->{master});
        $named{$at->[1]} = 1;
    }
    return if keys %named != 1;
    my ($master) = grep { $named{$_->port} } $self->nodes;
    return $master;
}


sub replicas {
    my ($self) = @_;

    my $master = $self->master;
    return grep { $_ != $master } $self->alive;
}


# --- who takes over

sub failover {
    my ($self) = @_;

    my $old = $self->master;
    my ($sentinel) = grep { $_->alive } $self->sentinels;
    $sentinel->command('SENTINEL', 'FAILOVER', $self->{master});
    $self->_agree('failover', sub { $_[0] != $old });
    return $self->master;
}


sub kill_master {
    my ($self) = @_;

    my $old = $self->master;
    $old->kill;
    return $self->promoted($old);
}


# waits until another one has taken over

sub promoted {
    my ($self, $old) = @_;

    $self->_agree("$old->{name} is dead", sub { $_[0] != $old });
    return $self->master;
}


# a master that does not answer is given so many milliseconds; without them,
# as long as at first

sub patience {
    my ($self, $ms) = @_;

    $_->command('SENTINEL', 'SET', $self->{master}, 'down-after-milliseconds',
        $ms || $DOWN_AFTER) for grep { $_->alive } $self->sentinels;
    return $self;
}


# a Sentinel that was dead

sub revive {
    my ($self, $sentinel) = @_;

    $sentinel->start;
    _hurry($sentinel);
    return $self->settled;
}


# waits until nodes and Sentinels alive are at peace with one another

sub settled {
    my ($self) = @_;
    return $self->_agree('settled', sub { 1 });
}


sub _agree {
    my ($self, $what, $wanted) = @_;

    my $why = '';
    poll_until(sub {
        $why = eval { $self->_unsettled($wanted) };
        # a node that a Sentinel reconfigures cuts us off
        $why = $@ if !defined $why;
        return $why eq '';
    }, 20)
        or die "sentinel: $what: $why\n";
    return $self;
}


sub _unsettled {
    my ($self, $wanted) = @_;

    my $master = $self->master or return 'they do not agree';
    return "$master->{name} is still the master" if !$wanted->($master);
    return "$master->{name} is dead" if !$master->alive;
    return "$master->{name} is no master" if $master->info('role') ne 'master';

    for my $node (grep { $_ != $master } $self->alive) {
        return "$node->{name} does not follow"
            if $node->info('role') ne 'slave'
                || $node->info('master_link_status') ne 'up'
                || $node->info('master_port') != $master->port;
    }
    for my $sentinel (grep { $_->alive } $self->sentinels) {
        my %is = @{$sentinel->command('SENTINEL', 'MASTER',
            $self->{master})};
        return "$sentinel->{name} says $is{flags}" if $is{flags} ne 'master';
        return "$sentinel->{name} knows too few"
            if $is{'num-slaves'} != $self->{size} - 1
                || $is{'num-other-sentinels'} != $COUNT - 1;
    }
    return '';
}

1;
