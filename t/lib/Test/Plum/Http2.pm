package Test::Plum::Http2;

# HTTP/2 frame by frame, for what curl would not send: over a connection of
# Test::Plum::Client, without TLS.
#
#   my $h2 = Test::Plum::Http2->new($t->client('h2'));
#   my $stream = $h2->stream;
#   $h2->write($h2->headers($stream, %request) . $h2->data($stream, '{}', 1));
#   is($h2->answer($stream), 200, 'accepted');
#
# A request is what Test::Plum->signed() returns.

use strict;
use warnings;

use Time::HiRes qw(time);

my ($DATA, $HEADERS, $RST, $SETTINGS, $GOAWAY) = (0, 1, 3, 4, 7);
my ($END_STREAM, $END_HEADERS) = (1, 4);

# the answers' statuses that HPACK has in its static table
my %STATUS = (8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400, 13 => 404,
    14 => 500);


# a connection on which the client's preface has been sent, unless: preface => 0

sub new {
    my ($class, $client, %opt) = @_;

    my $self = bless {
        client => $client, last => -1, bytes => '', answers => {},
    }, $class;
    $self->write(preface()) if !exists $opt{preface} || $opt{preface};
    return $self;
}


sub preface { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame($SETTINGS) }
sub client { return $_[0]{client} }
sub stream { return $_[0]{last} += 2 }
sub write { return $_[0]{client}->write($_[1]) }


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    $payload = '' if !defined $payload;
    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags || 0, $stream || 0) . $payload;
}


# names and values as literals that nobody remembers

sub fields {
    my (@pairs) = @_;
    return join '', map { "\0" . join '', map { pack('C', length) . $_ } @$_ }
        @pairs;
}


# the frame of a request's head; fields => more of them, as pairs; end: there
# is no body

sub headers {
    my ($self, $stream, %opt) = @_;

    my @pairs = ([':method', $opt{method} || 'POST'], [':scheme', 'http'],
        [':path', $opt{uri} || '/'], [':authority', 'localhost'],
        (map { [lc $_->[0], $_->[1]] } @{$opt{headers}}),
        @{$opt{fields} || []});
    return frame($HEADERS, $END_HEADERS | ($opt{end} ? $END_STREAM : 0),
        $stream, fields(@pairs));
}


sub data {
    my ($self, $stream, $bytes, $end) = @_;
    return frame($DATA, $end ? $END_STREAM : 0, $stream, $bytes);
}


# fields after the body, which end the stream

sub trailers {
    my ($self, $stream, @pairs) = @_;
    return frame($HEADERS, $END_HEADERS | $END_STREAM, $stream,
        fields(@pairs));
}


sub reset {
    my ($self, $stream) = @_;
    return $self->write(frame($RST, 0, $stream, pack 'N', 8));
}


# What became of a stream: its status ("other" for one that is not in the
# static table), "reset", "goaway" or "closed" for the connection, or undef
# where nothing comes.

sub answer {
    my ($self, $stream, $seconds) = @_;

    my $answers = $self->{answers};
    my $end = time() + ($seconds || 5);

    while (time() < $end) {
        return $answers->{$stream} if exists $answers->{$stream};
        return $answers->{goaway} if exists $answers->{goaway};
        $self->{bytes} .= $self->{client}->read_raw(0.05);
        $self->_frames;
        return 'closed' if !$self->{client}->connected
            && !exists $answers->{$stream} && !exists $answers->{goaway};
    }
    return;
}


sub _frames {
    my ($self) = @_;

    while (length $self->{bytes} >= 9) {
        my ($high, $low, $type, undef, $stream) =
            unpack 'CnCCN', $self->{bytes};
        my $size = ($high << 16) + $low;
        last if length $self->{bytes} < 9 + $size;

        my $payload = substr $self->{bytes}, 9, $size;
        substr $self->{bytes}, 0, 9 + $size, '';
        my $answers = $self->{answers};
        $answers->{goaway} = 'goaway' if $type == $GOAWAY;
        $answers->{$stream} = 'reset'
            if $type == $RST && !exists $answers->{$stream};
        $answers->{$stream} = _status($payload) if $type == $HEADERS
            && !exists $answers->{$stream};
    }
    return;
}


# the first field of an answer is its status; a change of the table's size may
# stand before it

sub _status {
    my ($payload) = @_;

    my ($code) = $payload =~ /\A[\x20-\x3f]?([\x80-\xff])/;
    return $STATUS{ord($code) & 127} || 'other' if defined $code;

    # a literal with the name of the table's entry 8: three bytes of digits
    return $1 if $payload =~ /\A[\x20-\x3f]?[\x08\x48]\x03(\d{3})/;
    return 'other';
}

1;
