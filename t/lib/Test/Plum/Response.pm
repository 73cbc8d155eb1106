package Test::Plum::Response;

# One answer; status 0 where none came.

use strict;
use warnings;

use JSON::PP ();


sub new {
    my ($class, %field) = @_;

    return bless {
        status => 0, reason => '', headers => [], body => '', ms => 0,
        version => '', %field,
    }, $class;
}


# from status line and headers; undef if they are none

sub from_head {
    my ($class, $head) = @_;

    my ($line, @lines) = split /\r?\n/, $head;
    return if !defined $line
        || $line !~ m{\A(HTTP/[\d.]+) (\d{3})(?: (.*))?\z};
    my ($version, $status, $reason) = ($1, $2, $3);

    my @headers;
    for my $text (@lines) {
        push @headers, [lc $1, $2] if $text =~ /\A([^:\s]+):\s*(.*?)\s*\z/;
    }
    return $class->new(version => $version, status => $status,
        reason => defined $reason ? $reason : '', headers => \@headers);
}


sub status { return $_[0]{status} }
sub reason { return $_[0]{reason} }
sub version { return $_[0]{version} }
sub headers { return $_[0]{headers} }
sub body { return $_[0]{body} }
sub ms { return $_[0]{ms} }
sub error { return $_[0]{error} }

# true if 100 (Continue) came first
sub continued { return $_[0]{continue} }


# the first header of that name, or undef; all of them, as a list

sub header {
    my ($self, $name) = @_;

    my ($value) = $self->all($name);
    return $value;
}


sub all {
    my ($self, $name) = @_;
    return map { $_->[1] } grep { $_->[0] eq lc $name } @{$self->{headers}};
}


sub json {
    my ($self) = @_;
    return JSON::PP->new->allow_nonref->decode($self->{body});
}


sub keep_alive {
    my ($self) = @_;

    return if ($self->header('connection') || '') =~ /close/i;
    return if $self->{version} eq 'HTTP/1.0';
    return defined $self->header('content-length')
        || defined $self->header('transfer-encoding')
        || $self->{status} == 204 || $self->{status} == 304;
}

1;
