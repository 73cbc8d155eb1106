package Test::Plum::Nameserver;

# A nameserver of the test's own, over UDP on 127.0.0.1.
#
#   my $dns = Test::Plum::Nameserver->new(test => $t);   # port %%PORT_dns%%
#   $dns->names('redis.test' => ['127.0.0.1'], 'mute.test' => []);
#   resolver 127.0.0.1:%%PORT_dns%% ipv6=off;
#
# A name with addresses has A records, with a TTL of 0; one with an empty list
# is never answered; any other does not exist.  There are no records but A.

use strict;
use warnings;

use IO::Select;
use Socket qw(inet_aton);

use Test::Plum::Process qw(spawn_sub end_process);

my $NXDOMAIN = 3;


# --- the test's side

# %opt: test, name ("dns")

sub new {
    my ($class, %opt) = @_;

    my $self = bless {name => 'dns', %opt}, $class;
    my $t = $self->{test};
    $self->{port} = $t->port($self->{name});
    $self->{control} = "$t->{dir}/$self->{name}.names";
    $self->{log} = "$t->{dir}/$self->{name}.log";
    $self->names;

    # a port is kept for a test by a UDP socket, which is the one to serve
    my ($socket) = grep { $_->sockport == $self->{port} } @{$t->{locks}};
    $self->{pid} = spawn_sub(sub { $self->_serve($socket) });
    push @{$t->{upstreams}}, $self;
    return $self;
}


sub port { return $_[0]{port} }


sub stop {
    my ($self) = @_;

    end_process(delete $self->{pid}, 'KILL') if $self->{pid};
    return $self;
}


# from now on

sub names {
    my ($self, %names) = @_;

    my $text = join '', map { "$_ @{$names{$_}}\n" } sort keys %names;
    $self->{test}->write_file("$self->{control}.new", $text);
    rename "$self->{control}.new", $self->{control} or die "rename: $!";
    return $self;
}


# the names that were asked for, A records only

sub queries {
    my ($self) = @_;
    return split /\n/, $self->{test}->read_file($self->{log});
}


# --- the server's side

sub _serve {
    my ($self, $socket) = @_;

    open my $log, '>>', $self->{log} or die "$self->{log}: $!";
    $log->autoflush(1);
    my $select = IO::Select->new($socket);

    my $parent = getppid();
    while (getppid() == $parent) {
        next if !$select->can_read(0.5);
        my $from = $socket->recv(my $query, 512);
        next if !defined $from;
        my $answer = $self->_answer($query, $log);
        $socket->send($answer, 0, $from) if defined $answer;
    }
    return;
}


# RFC 1035, 4.1; undef: no answer

sub _answer {
    my ($self, $query, $log) = @_;

    my ($id, $flags, $questions) = unpack 'nnn', $query;
    my ($labels) = substr($query, 12) =~ /\A([^\0]*\0)/ or return;
    my $type = unpack 'n', substr $query, 12 + length $labels, 2;
    my $name = lc join '.', grep { $_ ne '' } unpack '(C/a)*', $labels;
    print $log "$name\n" if $type == 1;

    my ($line) = grep { /\A\Q$name\E / }
        split /\n/, $self->{test}->read_file($self->{control});
    my (undef, @addresses) = split / /, $line if defined $line;
    return if defined $line && !@addresses;
    @addresses = () if $type != 1;

    # an answer, recursion as asked for and available; the name: a pointer
    my $code = 0x8080 | $flags & 0x0100 | (defined $line ? 0 : $NXDOMAIN);
    return pack('nnnnnn', $id, $code, 1, scalar @addresses, 0, 0)
        . $labels . pack('nn', $type, 1)
        . join '', map { pack 'nnnNn/a', 0xc00c, 1, 1, 0, inet_aton($_) }
            @addresses;
}

1;
