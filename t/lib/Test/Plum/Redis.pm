package Test::Plum::Redis;

# A real redis-server of the test's own, and what is in it.
#
#   my $redis = Test::Plum::Redis->new(test => $t);   # port %%PORT_redis%%
#   $redis->command('GET', 'plum:key');               # dies on an error reply
#   $redis->kill; $redis->start; $redis->freeze; $redis->thaw;
#
# The test's own commands go over a unix socket, whatever the port demands.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

use Test::Plum::Process qw(spawn reap end_process poll_until run_command);

my $PASSWORD = 'of the test itself';


# %opt:
#   test      the Test::Plum it belongs to
#   name      of its port and files ("redis")
#   port      instead of the one of that name; address: where it listens
#   sentinel  1: it is no store, but a Sentinel
#   aof       1: appendonly.  What is killed has written it; the disk, which may
#             be busy, is not waited for.  "always": it is
#   users     ACL rules, ["nginx on >secret ~plum:* +get", ...]; then the
#             default user is off
#   password  of the default user
#   tls       {certificate => name, client => 1}: the port speaks TLS with
#             that certificate of the test's folder; demands one of clients
#   conf      more lines
#   wait      0: new() does not wait until it serves, ready() does
#
# Replicas of it, and a replica that it is to be, use its own password and
# certificate.

sub new {
    my ($class, %opt) = @_;

    my $self = bless {name => 'redis', %opt}, $class;
    my $t = $self->{test};
    $self->{dir} = "$t->{dir}/$self->{name}";
    $self->{socket} = "$self->{dir}.sock";
    $self->{port} ||= $t->port($self->{name});
    mkdir $self->{dir};

    $self->write_conf;
    push @{$t->{upstreams}}, $self;
    $self->start;
    delete $self->{wait};
    return $self;
}


sub port { return $_[0]{port} }


# of the redis-server here: 7 for "7.0.15"

sub version {
    my (undef, $said) = run_command('redis-server', '--version');
    return $said =~ /\bv=(\d+)/ ? $1 : 0;
}


sub write_conf {
    my ($self) = @_;

    # a host without IPv6 is no reason to fail; Redis 6.0 cannot be told so
    my $local = version() >= 7 ? '127.0.0.1 -::1' : '127.0.0.1';
    my @lines = (
        'bind ' . ($self->{address} || $local),
        'daemonize no', 'save ""',
        "dir $self->{dir}", "logfile $self->{dir}/log",
        "unixsocket $self->{socket}", 'unixsocketperm 777',
        $self->_port_lines, $self->_user_lines, @{$self->{conf} || []},
    );
    push @lines, 'appendonly yes', 'appendfsync '
        . ($self->{aof} eq 'always' ? 'always' : 'no') if $self->{aof};
    $self->{test}->write_file("$self->{dir}/conf", join "\n", @lines, '');
    return;
}


sub _port_lines {
    my ($self) = @_;

    my $tls = $self->{tls} or return "port $self->{port}";
    my $dir = $self->{test}->certificates;
    return ('port 0', "tls-port $self->{port}",
        "tls-cert-file $dir/$tls->{certificate}.crt",
        "tls-key-file $dir/$tls->{certificate}.key",
        "tls-ca-cert-file $dir/ca.crt", 'tls-replication yes',
        'tls-auth-clients ' . ($tls->{client} ? 'yes' : 'no'));
}


sub _user_lines {
    my ($self) = @_;

    return ("requirepass $self->{password}", "masterauth $self->{password}")
        if defined $self->{password};
    my $users = $self->{users} or return;
    my $channels = version() >= 7 ? '&*' : '';
    return ("user test on #" . _sha256($PASSWORD) . " ~* $channels +\@all",
        'user default off', 'masteruser test', qq(masterauth "$PASSWORD"),
        map { "user $_" } @$users);
}


sub _sha256 {
    require Digest::SHA;
    return Digest::SHA::sha256_hex($_[0]);
}


# --- its life

sub start {
    my ($self) = @_;

    return $self if $self->{pid};
    unlink $self->{socket};
    $self->{pid} = spawn(['redis-server', "$self->{dir}/conf",
        $self->{sentinel} ? '--sentinel' : ()],
        stdout => "$self->{dir}/out", stderr => "$self->{dir}/out");
    return $self if defined $self->{wait} && !$self->{wait};
    return $self->ready;
}


# waits until it serves

sub ready {
    my ($self) = @_;

    my $up = poll_until(sub {
        return -1 if defined reap($self->{pid});
        return eval { $self->command('PING') };
    }, 10);
    die "redis does not start: " . $self->log if !$up || $up eq '-1';
    return $self;
}


sub stop { return $_[0]->_end('TERM') }

# as a crash or a lost host would

sub kill { return $_[0]->_end('KILL') }


sub _end {
    my ($self, $signal) = @_;

    delete $self->{connection};
    my $pid = delete $self->{pid} or return $self;
    CORE::kill 'CONT', $pid;
    $self->{frozen} = 0;
    end_process($pid, $signal);
    return $self;
}


# it keeps its connections, takes new ones, and answers nothing

sub freeze {
    my ($self) = @_;

    CORE::kill 'STOP', $self->{pid};
    $self->{frozen} = 1;
    return $self;
}


sub thaw {
    my ($self) = @_;

    CORE::kill 'CONT', $self->{pid};
    $self->{frozen} = 0;
    return $self;
}


sub alive { return $_[0]{pid} && !$_[0]{frozen} }


sub log {
    my ($self) = @_;
    return join '', map { $self->{test}->read_file("$self->{dir}/$_") }
        qw(out log);
}


# --- commands of the test

# the reply: a string, undef for nil, an array; dies on an error

sub command {
    my ($self, @words) = @_;

    # a Sentinel cuts all clients of a node that it reconfigures
    my $kept = $self->{connection};
    delete $self->{connection} if $kept && $kept->closed;

    my $redis = $self->{connection} ||= $self->_connect;
    my $reply = eval { $redis->call(@words) };
    if (!defined $reply && $@) {
        my $error = $@;
        delete $self->{connection} if $error !~ /^redis: /;
        die $error;
    }
    return $reply;
}


sub _connect {
    my ($self) = @_;

    my $redis = Test::Plum::Redis::Connection->new(path => $self->{socket});
    my @who = $self->credentials;
    $redis->call('AUTH', @who) if @who;
    return $redis;
}


# of the test: (user, password), (password), or none

sub credentials {
    my ($self) = @_;

    return $self->{password} if defined $self->{password};
    return $self->{users} ? ('test', $PASSWORD) : ();
}


# waits until it follows that one and has all of its data

sub replicate {
    my ($self, $master) = @_;

    $self->command('REPLICAOF', $master->{address} || '127.0.0.1',
        $master->port);
    poll_until(sub { ($self->info('master_link_status') || '') eq 'up' }, 15)
        or die 'no replica: ' . $self->log;
    return $self;
}


# all keys of a database

sub keys {
    my ($self, $pattern, $db) = @_;

    $self->command('SELECT', $db || 0);
    return sort @{$self->command('KEYS', defined $pattern ? $pattern : '*')};
}


sub info {
    my ($self, $field) = @_;

    my $text = $self->command('INFO', 'everything');
    return $text =~ /^\Q$field\E:(.*?)\r?$/m ? $1 : undef;
}


# --- one connection, and the protocol

package Test::Plum::Redis::Connection;

use Time::HiRes qw(time);


# %opt: path of a unix socket, or port; timeout (30 s)

sub new {
    my ($class, %opt) = @_;

    my $socket = defined $opt{path}
        ? IO::Socket::UNIX->new(Peer => $opt{path})
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $opt{port});
    die "cannot connect: $!\n" if !$socket;
    return bless {timeout => 30, buffer => '', %opt, socket => $socket},
        $class;
}


# between a reply and the next command there is nothing to read but an end

sub closed { return !!IO::Select->new($_[0]{socket})->can_read(0) }


sub call {
    my ($self, @words) = @_;

    my $reply = parse($self->exchange(command(@words)));
    die "redis: $$reply\n" if ref $reply eq 'SCALAR';
    return $reply;
}


# bytes of a command, and bytes of its one reply

sub exchange {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    while ($bytes ne '') {
        my $sent = syswrite $self->{socket}, $bytes;
        die "write: $!\n" if !defined $sent;
        substr $bytes, 0, $sent, '';
    }

    my $end = time() + $self->{timeout};
    my $select = IO::Select->new($self->{socket});
    while (1) {
        my $length = reply_length($self->{buffer});
        return substr $self->{buffer}, 0, $length, '' if $length;
        my $left = $end - time();
        die "no reply\n" if $left <= 0 || !$select->can_read($left);
        my $got = sysread $self->{socket}, $self->{buffer}, 65536,
            length $self->{buffer};
        die "closed\n" if !$got;
    }
}


sub command {
    my (@words) = @_;
    return sprintf("*%d\r\n", scalar @words)
        . join '', map { sprintf "\$%d\r\n%s\r\n", length $_, $_ } @words;
}


# bytes of the first reply (or command) in a buffer; 0: not all of it yet

sub reply_length {
    my ($buffer, $at) = @_;

    $at ||= 0;
    my $end = index $buffer, "\r\n", $at;
    return 0 if $end < 0;

    my $type = substr $buffer, $at, 1;
    my $count = substr $buffer, $at + 1, $end - $at - 1;
    $at = $end + 2;

    if ($type eq '$' || $type eq '=') {
        return $at if $count < 0;
        $at += $count + 2;
        return length $buffer >= $at ? $at : 0;
    }
    if ($type =~ /[*~%>]/) {
        $count *= 2 if $type eq '%';
        for (1 .. $count) {
            $at = reply_length($buffer, $at) or return 0;
        }
    }
    return $at;
}


# the value of a whole reply; an error is a reference to its text

sub parse {
    my ($bytes) = @_;

    my $at = 0;
    return _parse_at(\$bytes, \$at);
}


sub _parse_at {
    my ($bytes, $at) = @_;

    my $end = index $$bytes, "\r\n", $$at;
    my $type = substr $$bytes, $$at, 1;
    my $text = substr $$bytes, $$at + 1, $end - $$at - 1;
    $$at = $end + 2;

    return \$text if $type eq '-';
    return $text if $type =~ /[+:]/;
    return if $text < 0;
    return [map { scalar _parse_at($bytes, $at) } 1 .. $text]
        if $type =~ /[*~>]/;
    $$at += $text + 2;
    return substr $$bytes, $$at - $text - 2, $text;
}

1;
