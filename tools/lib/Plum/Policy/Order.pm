package Plum::Policy::Order;

# Which of two values is looser.
#
#   looser($order, $old, $new, \@ranks)
#
# returns {verdict => 'looser', 'tighter' or 'changed', text => ...} for each
# difference: several for a set of which some are gone and others have come.

use strict;
use warnings;

use Exporter qw(import);

use Plum::Policy::Paths qw(escapes spelt OTHER);

our @EXPORT_OK = qw(looser);

my %ORDER = (
    rank => \&rank,
    larger => sub { number(+1, @_) },       # the larger number is looser
    smaller => sub { number(-1, @_) },
    more => sub { set('looser', 'tighter', @_) },   # the larger set is
    fewer => sub { set('tighter', 'looser', @_) },
    trust => \&trust,
    any_or_none => \&any_or_none,
    access => \&access,
    scope => \&scope,
    durable => \&durable,
    ack => \&ack,
    paths => \&paths,
    changed => sub { differs('changed', @_) },
);


sub looser {
    my ($order, $old, $new, $ranks) = @_;
    return $ORDER{$order}->($old, $new, $ranks);
}


sub differs {
    my ($verdict, $old, $new) = @_;

    return if "$old" eq "$new";
    return {verdict => $verdict, text => (length $old ? $old : 'none')
        . ' -> ' . (length $new ? $new : 'none')};
}


sub verdict { return $_[0] > 0 ? 'looser' : $_[0] < 0 ? 'tighter' : 'changed' }


sub rank {
    my ($old, $new, $ranks) = @_;

    my %rank;
    @rank{@$ranks} = 0 .. $#$ranks;
    return differs(verdict($rank{$new} <=> $rank{$old}), $old, $new);
}


# "off", "for ever", "no timestamp": no bound

sub number {
    my ($sign, $old, $new) = @_;

    my ($was, $is) = map { /\A\d+\z/ ? $_ : 9**9**9 } $old, $new;
    return differs(verdict($sign * ($is <=> $was)), $old, $new);
}


sub set {
    my ($come, $gone, $old, $new) = @_;

    my %old = map { $_ => 1 } @$old;
    my %new = map { $_ => 1 } @$new;
    return ((map { {verdict => $come, text => "added: $_"} }
            grep { !$old{$_} } sort keys %new),
        (map { {verdict => $gone, text => "removed: $_"} }
            grep { !$new{$_} } sort keys %old));
}


# the connection is sure of itself, a variable is as good as who has set it

sub trust {
    my ($old, $new) = @_;

    my ($was, $is) = map { $_ eq 'connection' ? 0 : $_ eq 'none' ? 2 : 1 }
        $old, $new;
    return differs(verdict($is <=> $was), $old, $new);
}


sub any_or_none {
    my ($old, $new) = @_;

    my ($was, $is) = map { $_ eq 'none' } $old, $new;
    return differs(verdict($is <=> $was), $old, $new);
}


# no rule at all lets everybody in

sub access {
    my ($old, $new) = @_;

    return {verdict => 'tighter', text => 'everybody -> '
        . join ', ', @$new} if !@$old && @$new;
    return {verdict => 'looser', text => join(', ', @$old)
        . ' -> everybody'} if @$old && !@$new;

    my %rules = map { my ($name, $rules) = @$_; $name => {map { my $kind = $_;
        $kind => [grep { /\A$kind / } @$rules] } qw(allow deny)} }
        ['old', $old], ['new', $new];
    my @found = (set('looser', 'tighter', $rules{old}{allow},
            $rules{new}{allow}),
        set('tighter', 'looser', $rules{old}{deny}, $rules{new}{deny}));
    return @found if @found;
    return differs('changed', join(', ', @$old), join(', ', @$new));
}


sub scope {
    my ($old, $new) = @_;

    my ($was, $is) = map { $_ ne 'its own' } $old, $new;
    return differs(verdict($is <=> $was), $old, $new);
}


sub durable {
    my ($old, $new) = @_;

    my ($was, $is) = map { /\Areplicas=(\d+)\z/ ? 2 - 1 / (1 + $1)
        : {fsync => 3, aof => 1, memory => 0}->{$_} } $old, $new;
    return differs(verdict($was <=> $is), $old, $new);
}


sub ack {
    my ($old, $new) = @_;

    my ($was, $is) = map { $_ eq 'off' } $old, $new;
    return differs(verdict($is <=> $was), $old, $new);
}


# maps of event types to paths.  A type that only one of them names is for the
# other one what its "any" is

sub paths {
    my ($old, $new) = @_;

    my %events = (%$old, %$new);
    my @found;
    for my $event (sort keys %events) {
        my ($was, $is) = map { lets($_, $event) } $old, $new;
        my $of = $event eq OTHER ? '' : " of $event";
        push @found, (map { {verdict => 'looser',
                text => 'added: ' . spelt($_) . $of} } escapes($was, $is)),
            (map { {verdict => 'tighter',
                text => 'removed: ' . spelt($_) . $of} } escapes($is, $was));
    }
    return @found;
}


sub lets {
    my ($map, $event) = @_;

    return $map->{$event} if $map->{$event};
    my ($best) = sort { length $b <=> length $a } grep { /\A(.*)\*\z/
        && index($event, $1) == 0 } keys %$map;
    return $map->{$best} if defined $best;
    return $map->{+OTHER} || [];
}

1;
