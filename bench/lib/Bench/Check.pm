package Bench::Check;

# The correctness check of a row, see bench/check.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use Time::HiRes qw(sleep time);

use Bench::Rows qw(row);
use Bench::Site;
use Test::Plum::Process qw(poll_until);

our @EXPORT_OK = qw(check_row);

my $MARK = '@' x 20;

# of each size so many different events; the slow way is slow in Perl
my %EVENTS = ('1k' => 32, '16k' => 4, '256k' => 2);

my $serial = 0;


# (what it does, in words; what is wrong ...)

sub check_row {
    my ($row) = @_;

    my $self = bless {row => $row, wrong => [], seen => 0}, __PACKAGE__;
    my $ok = eval {
        $self->_start;
        $self->_deliveries;
        $self->_refusals if $row->{may} ne 'forward';
        $self->_duplicates;
        1;
    };
    $self->_wrong($@) if !$ok;
    $self->_wrong($_) for $self->{site} ? $self->{site}->finish : ();
    return ($self->{exact} ? 'bytes as sent' : 'values as sent',
        @{$self->{wrong}});
}


sub _start {
    my ($self) = @_;

    # a folder that a Test::Plum ends with
    my $holder = Test::Plum->new(module => 0);
    $self->{record} = $holder->path('bodies');
    $self->{holder} = $holder;
    $self->{site} = Bench::Site->new(record => $self->{record});
    $self->{row} = {%{$self->{row}}, queue => 1} if $self->{row}{queue};
    $self->{gateway} = $self->{site}->gateway($self->{row});
    return;
}


sub _wrong {
    my ($self, $text) = @_;

    chomp $text;
    push @{$self->{wrong}}, $text;
    return;
}


# --- sending, and what the upstream got

sub _send {
    my ($self, $body, %change) = @_;

    # whose certificates are the ones of the gateway
    my $t = $self->{gateway}{test} || $self->{site}{base};
    return $t->deliver(scheme => 'hmac',
        header => 'x-plum-signature', timestamp => 'x-plum-timestamp',
        content => '{timestamp}.{body}',
        secret => Bench::Site::secret_text(), uri => '/events',
        port => $self->{gateway}{port}, tls => $self->{row}{tls},
        body => $body, %change)->status;
}


# bodies that came since the last call; so many are waited for

sub _forwarded {
    my ($self, $expected) = @_;

    sleep 0.3 if !$expected && $self->{row}{queue};
    my @bodies = $self->_recorded;
    poll_until(sub {
        push @bodies, $self->_recorded if @bodies < $expected;
        return @bodies >= $expected;
    }, 5) if $expected && $self->{row}{queue};
    return @bodies;
}


sub _recorded {
    my ($self) = @_;

    open my $file, '<:raw', $self->{record} or die "$self->{record}: $!\n";
    seek $file, $self->{seen}, 0;
    my @bodies;
    while (defined(my $length = <$file>)) {
        read $file, (my $body = q()), $length;
        push @bodies, $body;
    }
    $self->{seen} = tell $file;
    return @bodies;
}


# an event with an id of its own, and what may be left of it

sub _event {
    my ($self, $size, $n) = @_;

    my $id = sprintf '%012d%08d', time() * 1000 % 1e11, ++$serial;
    my $base = sprintf '%s/bodies/%s/%03d', $self->{site}{build}, $size, $n;
    my $may = $self->{row}{may};
    my $whole = $may eq 'forward' || $may eq 'verify';
    return map { s/$MARK/$id/r } Bench::Site::slurp("$base.json"),
        Bench::Site::slurp($base . ($whole ? '.json' : '.clean'));
}


sub _same {
    my ($self, $got, $expected) = @_;

    return 1 if $got eq $expected;
    $self->{exact} = 0;
    return $self->{row}{peer} && _canonical($got) eq _canonical($expected);
}


# numbers by their value: 10.50 is 10.5

sub _canonical {
    my ($text) = @_;

    my $value = eval { JSON::PP->new->utf8->decode($text) };
    return "no JSON: $text" if !defined $value;
    return JSON::PP->new->canonical->encode(_plain($value));
}


sub _plain {
    my ($value) = @_;

    return [map { _plain($_) } @$value] if ref $value eq 'ARRAY';
    return {map { $_ => _plain($value->{$_}) } keys %$value}
        if ref $value eq 'HASH';
    return $value if ref $value || !defined $value;
    return $value =~ /\A-?\d+\.\d+\z/ ? "" . $value * 1 : "$value";
}


# --- the three parts

sub _deliveries {
    my ($self) = @_;

    $self->{exact} = 1;
    for my $size (sort keys %EVENTS) {
        for my $n (0 .. $EVENTS{$size} - 1) {
            my ($body, $expected) = $self->_event($size, $n);
            my $status = $self->_send($body);
            my @got = $self->_forwarded(1);
            $self->_wrong("$size/$n: answered $status") if $status !~ /^2/;
            $self->_wrong("$size/$n: forwarded " . @got . ' times')
                if @got != 1;
            $self->_wrong("$size/$n: not what should be forwarded")
                if @got == 1 && !$self->_same($got[0], $expected);
            return if @{$self->{wrong}} > 5;
        }
    }
    return;
}


sub _refusals {
    my ($self) = @_;

    my $now = int time();
    my %case = (
        'a bad signature' => {headers => {'x-plum-signature' => 'ab' x 32}},
        'no signature' => {headers => {'x-plum-signature' => undef}},
        'an old timestamp' => {ts => $now - 310},
        'a timestamp of the future' => {ts => $now + 310},
        'another timestamp than the signed one' =>
            {headers => {'x-plum-timestamp' => $now - 7}},
    );
    for my $what (sort keys %case) {
        my ($body) = $self->_event('1k', 0);
        my $status = $self->_send($body, %{$case{$what}});
        $self->_wrong("$what: answered $status") if $status != 401;
        $self->_wrong("$what: forwarded") if $self->_forwarded;
    }

    # one that is well signed and is no JSON
    my $status = $self->_send('{"id":"x",');
    $self->_wrong("no JSON: answered $status") if $status != 400;
    $self->_wrong('no JSON: forwarded') if $self->_forwarded;

    my ($body) = $self->_event('1k', 1);
    $self->_wrong('a good one after them is refused')
        if $self->_send($body) !~ /^2/;
    $self->_forwarded(1);
    return;
}


# a copy is acknowledged by all; only a store keeps it from the upstream

sub _duplicates {
    my ($self) = @_;

    my ($body) = $self->_event('1k', 2);
    $self->_send($body);
    sleep 0.05;
    $self->_forwarded(1);

    my $status = $self->_send($body);
    $self->_wrong("a duplicate: answered $status") if $status !~ /^2/;
    my $times = $self->_forwarded;
    my $expected = $self->{row}{may} =~ /^(?:store|accept)$/ ? 0 : 1;
    $self->_wrong("a duplicate: forwarded $times times")
        if $times != $expected;
    return;
}

1;
