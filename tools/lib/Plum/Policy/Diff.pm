package Plum::Policy::Diff;

# Two reports, gate by gate.  A gate is known by its server and location.

use strict;
use warnings;

use Plum::Policy ();
use Plum::Policy::Facts qw(compare);


# {id => [{verdict, rule, what, text, at}]}, of the gates that differ

sub gates {
    my ($old, $new) = @_;

    my %old = map { $_->{id} => $_ } @{$old->{resolved}};
    my %new = map { $_->{id} => $_ } @{$new->{resolved}};
    my %open = map { Plum::Policy::place($_) => $_ }
        grep { !$_->{internal} } @{$new->{beside}};

    my %found;
    for my $id (keys %{{%old, %new}}) {
        my @changes = !$old{$id} ? {verdict => 'looser',
                text => 'it is new: one more way in', at => $new{$id}{at}}
            : $new{$id} ? compare($old{$id}, $new{$id})
            : $open{$id} ? {verdict => 'looser', text => 'the location is '
                . 'still there, without it', at => $open{$id}{location_at}}
            : {verdict => 'tighter', text => 'it is gone', at => undef};
        $found{$id} = [map { {rule => 'gate', what => 'the gate', %$_} }
            @changes] if @changes;
    }
    return \%found;
}

1;
