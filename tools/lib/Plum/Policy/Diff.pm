package Plum::Policy::Diff;

# Two reports, gate by gate.  A gate is known by its server and location.

use strict;
use warnings;

use Plum::Policy ();
use Plum::Policy::Facts qw(compare);


# {id => [{verdict, rule, what, text, at}]}, of the gates that differ

sub gates {
    my ($old, $new) = @_;

    my %old = map { $_->{id} => $_ } @{$old->{resolved}}, @{$old->{pages}};
    my %new = map { $_->{id} => $_ } @{$new->{resolved}}, @{$new->{pages}};
    my ($was, $is) = map { {map { Plum::Policy::place($_) => $_ }
        grep { !$_->{internal} } @{$_->{beside}}} } $old, $new;

    my %found;
    for my $id (keys %{{%old, %new}}) {
        my @changes = $old{$id} && $new{$id} ? compare($old{$id}, $new{$id})
            : $new{$id} ? {verdict => $was->{$id} ? 'tighter' : 'looser',
                text => $was->{$id} ? 'the location was there without it'
                    : 'it is new: one more way in',
                at => $new{$id}{at} // $new{$id}{location_at}}
            : {verdict => $is->{$id} ? 'looser' : 'tighter',
                text => $is->{$id} ? 'the location is still there, without it'
                    : 'it is gone', at => ($is->{$id} || {})->{location_at}};
        $found{$id} = [map { {rule => 'gate', what => 'it', %$_} }
            @changes] if @changes;
    }
    return \%found;
}

1;
