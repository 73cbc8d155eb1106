package Plum::Policy::Paths;

# Allowlists as sets: which values of which events they let through.  A path
# is an array of steps, as the module has read it: "=name", "*", "[]", "**".

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(leaves leaves_to pseudonyms escapes spelt OTHER);

# any event, or any of a type that no "for=" names

use constant OTHER => '(any)';


# what leaves a gate: a map of event types to arrays of paths.  A type that is
# not in it does not leave

sub leaves {
    my ($gate, @more) = @_;

    my $list = $gate->{list};
    my %leaves;
    for my $event (events($list), @more) {
        $leaves{$event} = least(allowed($list, $event))
            if listed($list, $event);
    }
    return \%leaves;
}


# what a consumer of its queue gets: its own list, applied to that

sub leaves_to {
    my ($gate, $consumer, @more) = @_;

    my $own = $consumer->{own};
    my @wanted = @{$consumer->{for}};
    my $leaves = leaves($gate, @wanted, $own ? events($own) : (), @more);

    my %gets;
    for my $event (keys %$leaves) {
        next if @wanted && !grep { type_covers($_, $event) } @wanted;
        next if $own && !listed($own, $event);
        $gets{$event} = $own ? least(common($leaves->{$event},
            allowed($own, $event))) : $leaves->{$event};
    }
    return \%gets;
}


# what leaves as a pseudonym: path, secret and event types of each

sub pseudonyms {
    my ($list) = @_;

    return [map { my @types = @{$_->{for}};
        "$_->{path} by secret $_->{secret}" . (@types ? " for @types" : '')
    } @{$list ? $list->{pseudonyms} : []}];
}


# types that a list names, and the rest

sub events {
    my ($list) = @_;

    my %seen = map { $_ => 1 } OTHER, map { @{$_->{for}} }
        @{$list->{allow}}, @{$list->{pseudonyms}};
    return sort keys %seen;
}


sub listed {
    my ($list, $event) = @_;

    my @named = map { @{$_->{for}} } @{$list->{allow}},
        @{$list->{pseudonyms}};
    return 1 if !@named;
    return grep { type_covers($_, $event) } @named;
}


sub allowed {
    my ($list, $event) = @_;

    return map { $_->{steps} } grep {
        my @for = @{$_->{for}};
        !@for || grep { type_covers($_, $event) } @for;
    } @{$list->{allow}};
}


# "offer.*" stands for every type that begins so

sub type_covers {
    my ($one, $two) = @_;

    return 1 if $one eq $two;
    return 0 if $two eq OTHER;
    my $begin = $one =~ s/\*\z//r;
    return $begin ne $one && index($two, $begin) == 0;
}


# paths of the second array that nothing in the first lets through

sub escapes {
    my ($old, $new) = @_;

    return grep {
        my $path = $_;
        !grep { covers($_, $path) } @$old;
    } @$new;
}


sub covers {
    my ($one, $two) = @_;

    for my $n (0 .. $#$one) {
        return 1 if $one->[$n] eq '**';
        return 0 if $n > $#$two || $two->[$n] eq '**';
        next if $one->[$n] eq $two->[$n];
        return 0 if $one->[$n] ne '*' || $two->[$n] eq '[]';
    }
    return @$one == @$two;
}


# what both let through; undef: nothing

sub meet {
    my ($one, $two) = @_;

    my @path;
    for (my $n = 0; $n < @$one && $n < @$two; $n++) {
        my ($a, $b) = ($one->[$n], $two->[$n]);
        return [@path, @$two[$n .. $#$two]] if $a eq '**';
        return [@path, @$one[$n .. $#$one]] if $b eq '**';
        ($a, $b) = ($b, $a) if $b eq '*';
        return if $a ne $b && ($a ne '*' || $b eq '[]');
        push @path, $b;
    }
    return \@path if @$one == @$two;

    # "a.**" and "a": the value itself
    my ($longer) = sort { @$b <=> @$a } $one, $two;
    return $longer->[-1] eq '**' && @$longer == @path + 1 ? \@path : undef;
}


sub common {
    my ($one, @two) = @_;

    return map { my $path = $_; grep { $_ } map { meet($path, $_) } @two }
        @$one;
}


# without those that another one covers

sub least {
    my (@paths) = @_;

    my %seen;
    @paths = grep { !$seen{join "\0", @$_}++ } @paths;
    return [grep {
        my $path = $_;
        !grep { $_ != $path && covers($_, $path) } @paths;
    } @paths];
}


# as in plum_allowlist

sub spelt {
    my ($path) = @_;

    my $text = '';
    for my $step (@$path) {
        if ($step eq '[]') {
            $text .= '[]';
            next;
        }
        my $name = $step;
        if ($name =~ s/\A=//) {
            $name = '"' . $name =~ s/(["\\])/\\$1/gr . '"'
                if $name !~ /\A[^\s.\[\]*",='\\?()<>|!`;{}]+\z/;
        }
        $text .= ($text eq '' ? '' : '.') . $name;
    }
    return $text;
}

1;
