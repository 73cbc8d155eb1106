package Test::Plum::Upstream;

# A real HTTP/1.1 server in a process of its own, that writes down what it
# received and answers as the test says, now or while it runs.
#
#   my $up = $t->upstream('up');           # port %%PORT_up%%
#   $up->answer(status => 201, body => '{"ok":1}');
#   $up->script({action => 'reset'}, {status => 500});  # next two requests
#   $up->on('/slow', delay => 2);
#   my ($first) = $up->wait_for(1);
#   $first->{method}, {uri}, {headers}, {body}, {conn}, {time}, {whole}
#
# What an answer may say:
#   status 200, reason, headers [[name, value], ...], body
#   repeat    sends the body so many times over: large ones are slow to tell
#   delay     seconds before it answers; others are served meanwhile
#   gate      a name: answers once $up->open_gate(name) was called
#   action    answer (default)
#             refuse         close the connection at once, nothing read (one
#                            that was kept: as soon as the head is here)
#             refuse_reset   likewise with a RST
#             head_close     close as soon as the head is here
#             head_reset     likewise with a RST
#             close, reset   read all, then no answer
#             half           head and half of the body, then close
#             half_reset     likewise with a RST
#             raw            send "raw" as it stands, then close
#             hang           never answer
#   close     1: Connection: close after the answer
# delay and gate go with every action but those of a connection's begin.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64 decode_base64);
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use Test::Plum::Process qw(spawn_sub end_process poll_until);

my $JSON = JSON::PP->new->canonical->latin1;


# --- the test's side

sub new {
    my ($class, %opt) = @_;

    my $self = bless {host => '127.0.0.1', %opt}, $class;
    my $base = "$self->{dir}/upstream-$self->{name}";
    $self->{log} = "$base.log";
    $self->{control} = "$base.control";
    $self->{gates} = "$base.gate-";
    $self->{state} = {epoch => 0, default => {}, script => [], on => {}};

    $self->start;
    return $self;
}


# listens again after stop(); what was left of a script is forgotten

sub start {
    my ($self) = @_;

    return $self if $self->{pid};
    $self->script;
    my $listen = IO::Socket::INET->new(LocalAddr => $self->{host},
        LocalPort => $self->{port}, Listen => 511, ReuseAddr => 1,
        Blocking => 0)
        or die "upstream $self->{name}, port $self->{port}: $@\n";

    $self->{pid} = spawn_sub(sub { $self->_serve($listen) });
    return $self;
}


sub stop {
    my ($self) = @_;

    end_process(delete $self->{pid}, 'KILL') if $self->{pid};
    return $self;
}


sub port { return $_[0]{port} }


# the answer to every request that no script and no on() speaks for

sub answer {
    my ($self, %answer) = @_;

    $self->{state}{default} = \%answer;
    return $self->_tell;
}


# answers for the next requests, in order of their arrival

sub script {
    my ($self, @answers) = @_;

    $self->{state}{script} = \@answers;
    $self->{state}{epoch}++;
    return $self->_tell;
}


# the answer where the path of the request is this one

sub on {
    my ($self, $path, %answer) = @_;

    $self->{state}{on}{$path} = \%answer;
    return $self->_tell;
}


sub open_gate {
    my ($self, $name) = @_;

    _write("$self->{gates}$name", '');
    return $self;
}


sub _tell {
    my ($self) = @_;

    # renamed, so that the server never reads half of it
    _write("$self->{control}.new", $JSON->encode($self->{state}));
    rename "$self->{control}.new", $self->{control} or die "rename: $!";
    return $self;
}


sub _write {
    my ($path, $text) = @_;

    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";
    return;
}


# all that was received so far; those cut short have whole => 0

sub requests {
    my ($self) = @_;
    return grep { $_->{event} eq 'request' } $self->_events;
}


# how many there were of that uri; of a long log requests() is slow

sub count {
    my ($self, $uri) = @_;

    open my $file, '<:raw', $self->{log} or return 0;
    return scalar grep { /\A[^\t]*"uri":"\Q$uri\E"/ && /\n\z/ } <$file>;
}


# connections that the gateway left before it had its answer

sub aborts {
    my ($self) = @_;
    return grep { $_->{event} eq 'abort' } $self->_events;
}


# connections accepted, whether or not a request came over them

sub connections {
    my ($self) = @_;
    return grep { $_->{event} eq 'accept' } $self->_events;
}


sub _events {
    my ($self) = @_;

    open my $file, '<:raw', $self->{log} or return;
    my @events;
    for my $line (grep { /\n\z/ } <$file>) {
        my ($json, $body) = split /\t/, $line;
        push @events, $JSON->decode($json);
        $events[-1]{body} = decode_base64($body) if defined $body;
    }
    return @events;
}


sub forget {
    my ($self) = @_;

    # emptied in place: the server has it open for appending
    truncate $self->{log}, 0 if -e $self->{log};
    return $self;
}


# waits until n requests are here; returns all, be they too few

sub wait_for {
    my ($self, $n, $seconds) = @_;

    poll_until(sub { $self->requests >= $n },
        defined $seconds ? $seconds : 5);
    return $self->requests;
}


# the value of a request's header (a record of requests()), or undef

sub header {
    my (undef, $request, $name) = @_;

    my ($value) = map { $_->[1] }
        grep { lc $_->[0] eq lc $name } @{$request->{headers}};
    return $value;
}


# --- the server's side

# a connection is in one of these states: reading (head or body), waiting
# (for the delay or the gate of its answer), writing, or held for ever

sub _serve {
    my ($self, $listen) = @_;

    $SIG{PIPE} = 'IGNORE';
    my $s = {
        %$self, listen => $listen, conns => {}, serial => 0, count => 0,
        epoch => -1, queue => [], text => '',
    };
    open $s->{out}, '>>:raw', $self->{log} or die "$self->{log}: $!";
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
    my $read = IO::Select->new($s->{listen}, map { $_->{socket} } @conns);
    my $write = IO::Select->new(map { $_->{socket} }
        grep { $_->{state} eq 'writing' } @conns);
    my $waiting = grep { $_->{state} eq 'waiting' } @conns;

    my ($readable, $writable) = IO::Select->select($read, $write, undef,
        $waiting ? 0.01 : 0.5);

    for my $socket (@{$readable || []}) {
        if ($socket == $s->{listen}) {
            _accept($s);
        } elsif (my $c = $s->{conns}{fileno $socket}) {
            _readable($s, $c);
        }
    }
    for my $socket (@{$writable || []}) {
        my $c = defined fileno $socket && $s->{conns}{fileno $socket};
        _flush($s, $c) if $c;
    }
    for my $c (grep { $_->{state} eq 'waiting' } values %{$s->{conns}}) {
        _answer($s, $c) if _due($s, $c);
    }
    return;
}


# a body stands behind the JSON: the pure Perl encoder needs long for it

sub _log {
    my ($s, $event, %field) = @_;

    my $body = delete $field{body};
    my $line = $JSON->encode({event => $event, time => time(), %field});
    $line .= "\t" . encode_base64($body, '') if defined $body;
    syswrite $s->{out}, "$line\n";
    return;
}


sub _accept {
    my ($s) = @_;

    my $socket = $s->{listen}->accept or return;
    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;

    my $c = {socket => $socket, n => ++$s->{serial}, state => 'reading',
        in => '', out => '', fd => fileno $socket};
    $s->{conns}{$c->{fd}} = $c;
    _log($s, 'accept', conn => $c->{n});

    my $next = _peek($s);
    if (($next->{action} || '') =~ /\Arefuse/) {
        _take($s);
        _close($s, $c, $next->{action} =~ /reset/);
    }
    return;
}


# the state that the test wrote last

sub _load {
    my ($s) = @_;

    open my $file, '<:raw', $s->{control} or return;
    local $/;
    my $text = <$file>;
    return if $text eq $s->{text};

    my $state = $JSON->decode($text);
    $s->{text} = $text;
    if ($state->{epoch} != $s->{epoch}) {
        $s->{epoch} = $state->{epoch};
        $s->{queue} = $state->{script};
    }
    $s->{default} = $state->{default};
    $s->{on} = $state->{on};
    return;
}


sub _peek {
    my ($s) = @_;

    _load($s);
    return $s->{queue}[0] || $s->{default};
}


sub _take {
    my ($s, $uri) = @_;

    _load($s);
    my $path = defined $uri ? $uri =~ s/\?.*//sr : '';
    return $s->{on}{$path} if $s->{on}{$path};
    return @{$s->{queue}} ? shift @{$s->{queue}} : $s->{default};
}


sub _readable {
    my ($s, $c) = @_;

    my $got = sysread $c->{socket}, $c->{in}, 65536, length $c->{in};
    if ($got) {
        _parse($s, $c) if $c->{state} eq 'reading';
        return;
    }
    return if !defined $got && ($!{EAGAIN} || $!{EINTR});

    # gone: in the midst of a request, or before its answer
    if ($c->{request} && $c->{state} eq 'reading') {
        _record($s, $c, 0);
    } elsif ($c->{state} ne 'reading') {
        _log($s, 'abort', conn => $c->{n}, n => $c->{request}{n});
    }
    _close($s, $c);
    return;
}


sub _parse {
    my ($s, $c) = @_;

    if (!$c->{request}) {
        return if $c->{in} !~ s/\A(.*?)\r\n\r\n//s;
        _start($s, $c, $1) or return;
    }

    my $request = $c->{request};
    my $body = $request->{chunked} ? _unchunk($c)
        : length $c->{in} < $request->{length} ? undef
        : substr $c->{in}, 0, $request->{length}, '';
    return if !defined $body;

    $request->{body} = $body;
    _record($s, $c, 1);
    $c->{state} = 'waiting';
    $c->{since} = time();
    _answer($s, $c) if _due($s, $c);
    return;
}


# a head is complete; false if the connection ended over it

sub _start {
    my ($s, $c, $head) = @_;

    my ($line, @lines) = split /\r\n/, $head;
    my ($method, $uri, $http) = split / /, $line, 3;
    my @headers = map { /\A([^:]*):\s*(.*?)\s*\z/s ? [$1, $2] : [$_, ''] }
        @lines;
    my %first;
    for my $pair (reverse @headers) {
        $first{lc $pair->[0]} = $pair->[1];
    }

    my $connection = $first{connection} || '';
    my $chunked = ($first{'transfer-encoding'} || '') =~ /chunked/i;
    my $close = $http eq 'HTTP/1.0' ? $connection !~ /keep-alive/i
        : $connection =~ /close/i;

    $c->{request} = {
        n => ++$s->{count}, method => $method, uri => $uri, http => $http,
        headers => \@headers, length => $first{'content-length'} || 0,
        chunked => $chunked, close => $close,
    };
    $c->{answer} = _take($s, $uri);

    if (($c->{answer}{action} || '') =~ /\A(?:head|refuse)/) {
        _record($s, $c, 0);
        _close($s, $c, $c->{answer}{action} =~ /reset/);
        return;
    }

    $c->{out} = "HTTP/1.1 100 Continue\r\n\r\n"
        if ($first{expect} || '') =~ /100-continue/i;
    _flush($s, $c) if $c->{out} ne '';
    return 1;
}


# the body of a chunked request once it is complete, or undef

sub _unchunk {
    my ($c) = @_;

    my $body = '';
    pos($c->{in}) = 0;

    while ($c->{in} =~ /\G([0-9a-fA-F]+)[^\r\n]*\r\n/gc) {
        my $size = hex $1;
        my $at = pos $c->{in};
        if ($size == 0) {
            return if $c->{in} !~ /\G(?:[^\r\n]+\r\n)*\r\n/gc;
            substr $c->{in}, 0, pos $c->{in}, '';
            return $body;
        }
        return if length $c->{in} < $at + $size + 2;
        $body .= substr $c->{in}, $at, $size;
        pos($c->{in}) = $at + $size + 2;
    }
    return;
}


sub _record {
    my ($s, $c, $whole) = @_;

    my $request = $c->{request};
    my $body = defined $request->{body} ? $request->{body} : $c->{in};
    _log($s, 'request', conn => $c->{n}, whole => $whole,
        body => $body,
        map { $_ => $request->{$_} } qw(n method uri http headers));
    return;
}


sub _due {
    my ($s, $c) = @_;

    my $answer = $c->{answer};
    return if ($answer->{action} || '') eq 'hang';
    return if $answer->{delay} && time() < $c->{since} + $answer->{delay};
    return if defined $answer->{gate} && !-e "$s->{gates}$answer->{gate}";
    return 1;
}


sub _answer {
    my ($s, $c) = @_;

    my $answer = $c->{answer};
    my $action = $answer->{action} || 'answer';

    return _close($s, $c) if $action eq 'close';
    return _close($s, $c, 1) if $action eq 'reset';

    my $body = _body($answer);
    my $text = $action eq 'raw' ? $answer->{raw} : _head($answer, $c);
    my $half = $action =~ /\Ahalf/;
    $text .= $half ? substr $body, 0, length($body) / 2 : $body
        if $action ne 'raw' && $c->{request}{method} ne 'HEAD';

    $c->{state} = 'writing';
    $c->{out} .= $text;
    $c->{after} = $action =~ /reset/ ? 'reset'
        : $half || $action eq 'raw' || $answer->{close}
            || $c->{request}{close} ? 'close' : 'keep';
    _flush($s, $c);
    return;
}


sub _body {
    my ($answer) = @_;

    my $body = defined $answer->{body} ? $answer->{body} : '';
    return $body x ($answer->{repeat} || 1);
}


sub _head {
    my ($answer, $c) = @_;

    my $status = $answer->{status} || 200;
    my $reason = defined $answer->{reason} ? $answer->{reason} : 'Answer';
    my @headers = @{$answer->{headers} || []};
    my %has = map { lc $_->[0] => 1 } @headers;

    push @headers, ['Content-Length', length _body($answer)]
        if !$has{'content-length'} && !$has{'transfer-encoding'}
            && $status != 204 && $status != 304;
    push @headers, ['Connection', 'close']
        if $answer->{close} || $c->{request}{close};
    return "HTTP/1.1 $status $reason\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" } @headers) . "\r\n";
}


sub _flush {
    my ($s, $c) = @_;

    while ($c->{out} ne '') {
        my $sent = syswrite $c->{socket}, $c->{out};
        if (!defined $sent) {
            return if $!{EAGAIN} || $!{EINTR};
            _log($s, 'abort', conn => $c->{n}, n => $c->{request}{n});
            return _close($s, $c);
        }
        substr $c->{out}, 0, $sent, '';
    }
    return if $c->{state} ne 'writing';

    return _close($s, $c, $c->{after} eq 'reset') if $c->{after} ne 'keep';
    delete @$c{qw(request answer)};
    $c->{state} = 'reading';
    _parse($s, $c) if $c->{in} ne '';
    return;
}


# a RST where asked for, else a FIN

sub _close {
    my ($s, $c, $reset) = @_;

    delete $s->{conns}{$c->{fd}};
    setsockopt $c->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
        if $reset;
    close $c->{socket};
    return;
}

1;
