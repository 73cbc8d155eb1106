package Test::Plum::Metrics;

# What a plum_status page says.
#
#   my $m = Test::Plum::Metrics->read($t);            # location /status
#   $m->value('plum_events_total', gate => 'g', verdict => 'accepted');
#   $m->sum('plum_events_total', gate => 'g');
#   $m->labels('plum_queue_dead');                    # hashes
#
# A value that is not on the page is undef.  Labels are as they were before
# they were escaped.

use strict;
use warnings;

use Test::More ();


# %opt: port (name, 0), uri (/status), and what Test::Plum->request() takes

sub read {
    my ($class, $t, %opt) = @_;

    my $uri = delete $opt{uri} || '/status';
    my $answer = $t->request(uri => "$uri?format=prometheus", %opt);
    die 'status ' . $answer->status . " of $uri\n" if $answer->status != 200;
    return $class->parse($answer->body);
}


sub parse {
    my ($class, $text) = @_;

    my (@samples, %type);
    for my $line (split /\n/, $text) {
        $type{$1} = $2 if $line =~ /\A# TYPE (\S+) (\S+)\z/;
        next if $line =~ /\A#/;

        my ($name, $labels, $value) = $line
            =~ /\A(\w+)(?:\{((?:[^"]|"(?:[^"\\]|\\.)*")*)\})? (\S+)\z/
            or die "no sample: $line\n";
        my %labels;
        while (defined $labels
            && $labels =~ /\G(\w+)="((?:[^"\\]|\\.)*)"(?:,|\z)/g)
        {
            my ($label, $text) = ($1, $2);
            $labels{$label} = $text
                =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
        }
        push @samples, {name => $name, labels => \%labels, value => $value};
    }
    return bless {samples => \@samples, type => \%type}, $class;
}


# the samples of a name that have all of these labels

sub find {
    my ($self, $name, %want) = @_;

    return grep {
        my $labels = $_->{labels};
        $_->{name} eq $name && !grep { !defined $labels->{$_}
            || $labels->{$_} ne $want{$_} } keys %want;
    } @{$self->{samples}};
}


sub value {
    my ($self, $name, %want) = @_;

    my @found = $self->find($name, %want);
    die "more than one sample of $name\n" if @found > 1;
    return @found ? $found[0]{value} : undef;
}


sub sum {
    my ($self, $name, %want) = @_;

    my $sum = 0;
    $sum += $_->{value} for $self->find($name, %want);
    return $sum;
}


sub labels {
    my ($self, $name, %want) = @_;
    return map { $_->{labels} } $self->find($name, %want);
}


sub type { return $_[0]{type}{$_[1]} }
sub names { return sort keys %{$_[0]{type}} }


# samples of a name by one label, but for zeros: {accepted => 3}

sub by {
    my ($self, $name, $label, %want) = @_;

    return {map { $_->{value} + 0 ? ($_->{labels}{$label} => $_->{value} + 0)
        : () } $self->find($name, %want)};
}


# TAP: what adds up whatever has happened

sub adds_up {
    my ($self, $what) = @_;

    for my $gate (map { $_->{gate} } $self->labels('plum_events_total',
        verdict => 'refused'))
    {
        my %of = (gate => $gate);
        Test::More::is($self->sum('plum_refused_total', %of),
            $self->value('plum_events_total', %of, verdict => 'refused'),
            "$what: $gate: each refusal has a reason");
    }
    return $self;
}

1;
