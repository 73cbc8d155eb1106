package Test::Plum::FakeRedis;

# A Redis that does what a real one will not do on demand.  It stands in
# front of a real one (Test::Plum::Redis), which answers what no rule speaks
# for: so a test need not know which commands the module sends.
#
#   my $fake = Test::Plum::FakeRedis->new(test => $t, redis => $redis);
#   $fake->rules({reply => "-LOADING ...\r\n"});   # the next command only
#   $fake->rules({cut => 3});                      # 3 bytes, then closed
#
# A rule, used in order, each for as many commands as it says:
#   on       regex of the command's name; by default all that is no handshake
#            (handshakes: AUTH, HELLO, SELECT, CLIENT, CONFIG, INFO, ...)
#   skip     lets so many pass first (0); times: for so many (1; 0: always)
#   reply    bytes in place of the real reply; the command is not executed.
#            {slot} in it is that of the command's key, {host} an address of
#            127.9.0.0/16, another one each time
#   execute  1: it is executed all the same
#   before, after   bytes around the reply
#   cut      so many bytes of it, then the connection is closed
#   split    so many bytes of it, a pause of 20 ms, the rest
#   drip     1: byte by byte
#   delay    seconds before it
#   then     "close", "reset", or "keep" (default)
#   greet    1: for connections, not commands: "reply" and "then" at once
#   mute     1: connections made before rules() are dead: what comes over them
#            is read and never answered, and they stay open; with "then" they
#            end at the first byte.  Such a rule says nothing of commands

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Storable ();
use Time::HiRes qw(time);

use Test::Plum::Cluster;
use Test::Plum::Process qw(spawn_sub end_process);
use Test::Plum::Redis;

my $HANDSHAKE = 'AUTH|HELLO|SELECT|CLIENT|CONFIG|INFO|PING|SCRIPT|COMMAND'
    . '|ROLE|READONLY|ACL|ECHO';


# --- the test's side

sub new {
    my ($class, %opt) = @_;

    my $self = bless {name => 'fake', %opt, epoch => 0}, $class;
    my $t = $self->{test};
    $self->{port} = $t->port($self->{name});
    $self->{control} = "$t->{dir}/$self->{name}.control";
    $self->{log} = "$t->{dir}/$self->{name}.log";
    $self->rules;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1,
        Blocking => 0)
        or die "fake redis, port $self->{port}: $@\n";
    $self->{pid} = spawn_sub(sub { $self->_serve($listen) });
    push @{$t->{upstreams}}, $self;
    return $self;
}


sub port { return $_[0]{port} }


sub stop {
    my ($self) = @_;

    end_process(delete $self->{pid}, 'KILL') if $self->{pid};
    return $self;
}


# from now on; without rules it is as good as the real one

sub rules {
    my ($self, @rules) = @_;

    my $state = {epoch => ++$self->{epoch}, rules => \@rules};
    Storable::store($state, "$self->{control}.new");
    rename "$self->{control}.new", $self->{control} or die "rename: $!";
    return $self;
}


# what came so far: [name, true if a rule met it, length of the reply], ...;
# and how many connections

sub commands { return grep { $_->[0] ne 'connection' } $_[0]->_seen }
sub connections { return scalar grep { $_->[0] eq 'connection' } $_[0]->_seen }


sub _seen {
    my ($self) = @_;
    return map { [split / /] }
        split /\n/, $self->{test}->read_file($self->{log});
}


# --- the server's side

sub _serve {
    my ($self, $listen) = @_;

    $SIG{PIPE} = 'IGNORE';
    my $s = {%$self, listen => $listen, conns => {}, known => ''};
    open $s->{out}, '>>', $self->{log} or die "$self->{log}: $!";
    $s->{out}->autoflush(1);

    my $parent = getppid();
    while (getppid() == $parent) {
        _turn($s);
    }
    return;
}


sub _turn {
    my ($s) = @_;

    my @conns = values %{$s->{conns}};
    my $busy = grep { @{$_->{out}} } @conns;
    my $select = IO::Select->new($s->{listen}, map { $_->{socket} } @conns);

    for my $socket ($select->can_read($busy ? 0.002 : 0.5)) {
        if ($socket == $s->{listen}) {
            _accept($s);
        } elsif (my $c = $s->{conns}{fileno $socket}) {
            _readable($s, $c);
        }
    }
    _flush($s, $_) for values %{$s->{conns}};
    return;
}


sub _accept {
    my ($s) = @_;

    my $socket = $s->{listen}->accept or return;
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $socket->blocking(0);
    _load($s);
    my $c = {socket => $socket, fd => fileno $socket, in => '', out => [],
        epoch => $s->{epoch}};
    $s->{conns}{$c->{fd}} = $c;
    print {$s->{out}} "connection\n";

    my $rule = _rule($s, undef) or return;
    _queue($c, $rule, defined $rule->{reply} ? $rule->{reply} : '');
    return;
}


sub _readable {
    my ($s, $c) = @_;

    my $got = sysread $c->{socket}, $c->{in}, 65536, length $c->{in};
    return if !defined $got && ($!{EAGAIN} || $!{EINTR});
    return _close($s, $c) if !$got;

    _load($s);
    my ($mute) = grep { $_->{mute} } @{$s->{rules}};
    if ($mute && $c->{epoch} < $s->{epoch}) {
        $c->{in} = '';
        _close($s, $c, $mute->{then}) if $mute->{then};
        return;
    }
    while (my $n = Test::Plum::Redis::Connection::reply_length($c->{in})) {
        _command($s, $c, substr $c->{in}, 0, $n, '');
    }
    return;
}


sub _command {
    my ($s, $c, $bytes) = @_;

    my $words = Test::Plum::Redis::Connection::parse($bytes);
    my $name = uc $words->[0];
    my $rule = _rule($s, $name);

    my $reply = $rule && $rule->{reply};
    if (defined $reply && $reply =~ /\{(?:slot|host)\}/) {
        my $n = ++$s->{hosts};
        my %value = (slot => Test::Plum::Cluster->slot($words->[3]),
            host => sprintf '127.9.%d.%d', $n >> 8 & 255, $n & 255);
        $reply =~ s/\{(slot|host)\}/$value{$1}/g;
    }
    if (!defined $reply || $rule->{execute}) {
        $c->{real} ||= Test::Plum::Redis::Connection->new(
            path => $s->{redis}{socket});
        my $real = $c->{real}->exchange($bytes);
        $reply = $real if !defined $reply;
    }
    printf {$s->{out}} "%s %d %d\n", $name, $rule ? 1 : 0, length $reply;
    _queue($c, $rule || {}, $reply);
    return;
}


# the rule for a command, or (undef) for a connection

sub _rule {
    my ($s, $name) = @_;

    _load($s);
    for my $rule (@{$s->{rules}}) {
        next if $rule->{mute} || ($rule->{greet} xor !defined $name);
        next if defined $name && (defined $rule->{on}
            ? $name !~ /\A(?:$rule->{on})\z/ : $name =~ /\A(?:$HANDSHAKE)\z/);
        next if $rule->{done};
        next if $rule->{skip} && $rule->{skip}-- > 0;

        my $times = defined $rule->{times} ? $rule->{times} : 1;
        $rule->{done} = 1 if ++$rule->{used} == $times;
        return $rule;
    }
    return;
}


sub _load {
    my ($s) = @_;

    open my $file, '<:raw', $s->{control} or return;
    local $/;
    my $text = <$file>;
    return if $text eq $s->{known};
    $s->{known} = $text;
    @$s{qw(epoch rules)} = @{Storable::thaw(substr $text, 4)}{qw(epoch rules)};
    return;
}


# what goes out is a list of [not before, bytes, what then]

sub _queue {
    my ($c, $rule, $reply) = @_;

    my $at = time() + ($rule->{delay} || 0);
    my $last = $c->{out}[-1];
    $at = $last->[0] if $last && $last->[0] > $at;

    $reply = join '', map { defined $_ ? $_ : '' } $rule->{before}, $reply,
        $rule->{after};
    my @pieces = $reply;
    my $then = $rule->{then};

    if (defined $rule->{cut}) {
        @pieces = substr $reply, 0, $rule->{cut};
        $then ||= 'close';
    } elsif ($rule->{split}) {
        @pieces = (substr($reply, 0, $rule->{split}),
            length $reply > $rule->{split} ? substr $reply, $rule->{split}
                : ());
    } elsif ($rule->{drip}) {
        @pieces = split //, $reply;
    }

    my $pause = $rule->{drip} ? 0.001 : 0.02;
    push @{$c->{out}}, map { [$at + $pause * $_, $pieces[$_], ''] }
        0 .. $#pieces;
    $c->{out}[-1][2] = $then if $then;
    return;
}


sub _flush {
    my ($s, $c) = @_;

    while (@{$c->{out}} && $c->{out}[0][0] <= time()) {
        my $item = $c->{out}[0];
        while ($item->[1] ne '') {
            my $sent = syswrite $c->{socket}, $item->[1];
            return if !defined $sent && ($!{EAGAIN} || $!{EINTR});
            return _close($s, $c) if !defined $sent;
            substr $item->[1], 0, $sent, '';
        }
        return _close($s, $c, $item->[2]) if $item->[2] =~ /close|reset/;
        shift @{$c->{out}};
    }
    return;
}


sub _close {
    my ($s, $c, $how) = @_;

    delete $s->{conns}{$c->{fd}};
    setsockopt $c->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
        if ($how || '') eq 'reset';
    close $c->{socket};
    return;
}

1;
