package Test::Plum::Client;

# An HTTP/1.1 client that does to the letter what a test says, right or
# wrong, over TCP or TLS.  HTTP/2 and HTTP/3 go through curl(1).
#
#   my $c = Test::Plum::Client->new(port => 8080, tls => 1);
#   my $r = $c->request(method => 'POST', uri => '/', body => '{}');
#   $r->status, $r->header('retry-after'), $r->body, $r->ms
#
# The connection is kept and used again while the server leaves it open.  A
# request that got no (whole) answer has status 0 and an error().

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep time);

use Test::Plum::Process qw(run_command);
use Test::Plum::Response;


# %opt: port, host (127.0.0.1), timeout (30 s), dir (of the certificates),
# tls (1, or a hash of IO::Socket::SSL options), version ('TLSv1_2' ...), cert
# (a name: "client" presents client.crt), sni

sub new {
    my ($class, %opt) = @_;

    return bless {
        host => '127.0.0.1', timeout => 30, dir => '.', buffer => '', %opt,
    }, $class;
}


# --- the connection

sub connect {
    my ($self) = @_;

    return $self->{socket} if $self->{socket};

    my %at = (PeerAddr => $self->{host}, PeerPort => $self->{port});
    my $socket = IO::Socket::INET->new(%at, Proto => 'tcp',
        Timeout => $self->{timeout});
    if (!$socket) {
        $self->{error} = "connect: $@";
        return;
    }

    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $socket = $self->_start_tls($socket) or return if $self->{tls};

    $self->{buffer} = '';
    $self->{error} = undef;
    return $self->{socket} = $socket;
}


sub _start_tls {
    my ($self, $socket) = @_;

    require IO::Socket::SSL;
    my %own = ref $self->{tls} ? %{$self->{tls}} : ();
    my %tls = (
        SSL_ca_file => "$self->{dir}/ca.crt",
        SSL_verifycn_name => 'localhost', SSL_verifycn_scheme => 'http',
        SSL_hostname => defined $self->{sni} ? $self->{sni} : 'localhost',
    );
    $tls{SSL_version} = $self->{version} if $self->{version};
    if ($self->{cert}) {
        $tls{SSL_cert_file} = "$self->{dir}/$self->{cert}.crt";
        $tls{SSL_key_file} = "$self->{dir}/$self->{cert}.key";
    }

    my $secure = IO::Socket::SSL->start_SSL($socket, %tls, %own,
        Timeout => $self->{timeout});
    no warnings 'once';
    $self->{error} = "tls: $IO::Socket::SSL::SSL_ERROR" if !$secure;
    return $secure;
}


sub socket { return $_[0]->connect }
sub connected { return !!$_[0]{socket} }


sub close {
    my ($self) = @_;

    my $socket = delete $self->{socket} or return;
    # no waiting for the peer's half of the TLS goodbye
    if ($self->{tls}) {
        $socket->close(SSL_no_shutdown => 1, SSL_fast_shutdown => 1);
    } else {
        CORE::close($socket);
    }
    return;
}


# closes with a RST instead of a FIN

sub reset {
    my ($self) = @_;

    my $socket = $self->{socket} or return;
    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    return $self->close;
}


# --- requests

# sends one request and reads its answer.  %opt:
#   method, uri, version ('HTTP/1.1'), headers ([[name, value], ...] or a
#   hash; "host" and the framing come by themselves unless given)
#   body      bytes; Content-Length is set for it
#   length    another Content-Length than the true one; undef: none
#   chunked   1, or the chunk sizes [1, 2, ...], the last one repeated
#   pieces    n: the body goes out in n writes; delay: seconds between them
#   expect    1: Expect: 100-continue; the body waits for 100, not for others
#   hang_up   'head' | 'body' | 'half' : close after the head, after all, or
#             after half the body; then => 'reset' to do it with a RST
#   no_read   1: send only; read later with read_response()

sub request {
    my ($self, %opt) = @_;

    my $start = time();
    if (!$self->connect) {
        return $self->_nothing($start);
    }

    my $continue;
    $self->write($self->head(%opt));

    if ($opt{hang_up} && $opt{hang_up} eq 'head') {
        return $self->_hang_up($start, %opt);
    }
    if ($opt{expect}) {
        my $answer = $self->_read_one($start, %opt);
        if ($answer->status != 100) {
            # the body was announced and will not come
            $self->close;
            return $answer;
        }
        $continue = 1;
    }

    $self->_send_body(%opt);
    return $self->_hang_up($start, %opt) if $opt{hang_up};
    return $self->_nothing($start) if $opt{no_read};

    my $answer = $self->read_response(%opt, start => $start);
    $answer->{continue} = 1 if $continue;
    return $answer;
}


# request line and headers, as bytes

sub head {
    my ($self, %opt) = @_;

    my @given = !defined $opt{headers} ? ()
        : ref $opt{headers} eq 'HASH'
        ? map { [$_, $opt{headers}{$_}] } sort keys %{$opt{headers}}
        : @{$opt{headers}};
    my %has = map { lc $_->[0] => 1 } @given;
    my @own;

    push @own, ['host', 'localhost'] if !$has{host};
    push @own, ['expect', '100-continue'] if $opt{expect} && !$has{expect};
    if ($opt{chunked}) {
        push @own, ['transfer-encoding', 'chunked']
            if !$has{'transfer-encoding'};
    } elsif (!$has{'content-length'}) {
        my $length = exists $opt{length} ? $opt{length}
            : defined $opt{body} ? length $opt{body} : undef;
        push @own, ['content-length', $length] if defined $length;
    }

    my $method = defined $opt{method} ? $opt{method} : 'GET';
    my $uri = defined $opt{uri} ? $opt{uri} : '/';
    my $version = $opt{version} || 'HTTP/1.1';
    return "$method $uri $version\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" } @own, @given) . "\r\n";
}


sub _send_body {
    my ($self, %opt) = @_;

    my $body = defined $opt{body} ? $opt{body} : '';
    my $half = $opt{hang_up} && $opt{hang_up} eq 'half';
    $body = $opt{chunked} ? chunks($body, $opt{chunked}) : $body;
    $body = substr $body, 0, length($body) / 2 if $half;
    return if $body eq '';

    my $pieces = $opt{pieces} || 1;
    my $size = int((length($body) + $pieces - 1) / $pieces) || 1;

    for (my $at = 0; $at < length $body; $at += $size) {
        sleep($opt{delay}) if $opt{delay} && $at > 0;
        $self->write(substr $body, $at, $size) or last;
    }
    return;
}


# a body in chunked coding; sizes: 1 (one chunk) or an array

sub chunks {
    my ($body, $sizes) = @_;

    my @sizes = ref $sizes ? @$sizes : (length($body) || 1);
    my $out = '';

    while ($body ne '') {
        my $size = @sizes > 1 ? shift @sizes : $sizes[0];
        my $chunk = substr $body, 0, $size, '';
        $out .= sprintf "%x\r\n%s\r\n", length $chunk, $chunk;
    }
    return $out . "0\r\n\r\n";
}


# writes raw bytes; false if the server has closed

sub write {
    my ($self, $bytes) = @_;

    my $socket = $self->connect or return;
    local $SIG{PIPE} = 'IGNORE';
    my $end = time() + $self->{timeout};

    while ($bytes ne '') {
        my $sent = syswrite $socket, $bytes;
        if (!defined $sent) {
            next if ($!{EINTR} || $!{EAGAIN}) && time() < $end;
            $self->{error} = "write: $!";
            return;
        }
        substr $bytes, 0, $sent, '';
    }
    return 1;
}


sub _hang_up {
    my ($self, $start, %opt) = @_;

    if (($opt{then} || '') eq 'reset') {
        $self->reset;
    } else {
        $self->close;
    }
    $self->{error} = 'hung up';
    return $self->_nothing($start);
}


sub _nothing {
    my ($self, $start) = @_;

    return Test::Plum::Response->new(status => 0, error => $self->{error},
        ms => 1000 * (time() - $start));
}


# --- answers

# reads exactly one final answer

sub read_response {
    my ($self, %opt) = @_;

    my $start = $opt{start} || time();
    my $answer;
    do {
        $answer = $self->_read_one($start, %opt);
    } while $answer->status >= 100 && $answer->status < 200
        && $answer->status != 101;
    return $answer;
}


sub _read_one {
    my ($self, $start, %opt) = @_;

    $self->{deadline} = time() + $self->{timeout};
    my $text = $self->_until(qr/\r?\n\r?\n/);
    return $self->_broken($start) if !defined $text;

    my $answer = Test::Plum::Response->from_head($text)
        or return $self->_broken($start, 'not HTTP');
    my $status = $answer->status;
    my $bare = $status < 200 || $status == 204 || $status == 304
        || ($opt{method} || '') eq 'HEAD';

    my $body = $bare ? '' : $self->_read_body($answer);
    return $self->_broken($start) if !defined $body;

    $answer->{body} = $body;
    $answer->{ms} = 1000 * (time() - $start);
    $self->close if $status >= 200 && !$answer->keep_alive;
    return $answer;
}


sub _read_body {
    my ($self, $answer) = @_;

    return $self->_read_chunks
        if ($answer->header('transfer-encoding') || '') =~ /chunked/i;

    my $length = $answer->header('content-length');
    return $self->_exactly($length) if defined $length;

    # to the end of the connection
    1 while $self->_fill;
    return if $self->{error} && $self->{error} !~ /^closed/;
    $self->{error} = undef;
    my $body = $self->{buffer};
    $self->{buffer} = '';
    return $body;
}


sub _read_chunks {
    my ($self) = @_;

    my $body = '';
    while (1) {
        my $line = $self->_until(qr/\r?\n/);
        return if !defined $line || $line !~ /^([0-9a-fA-F]+)/;
        my $size = hex $1;
        last if $size == 0;
        my $chunk = $self->_exactly($size + 2);
        return if !defined $chunk;
        $body .= substr $chunk, 0, $size;
    }

    # trailers end with an empty line
    while (defined(my $line = $self->_until(qr/\r?\n/))) {
        return $body if $line =~ /^\r?\n/;
    }
    return;
}


sub _until {
    my ($self, $regex) = @_;

    while (1) {
        return substr $self->{buffer}, 0, $+[0], ''
            if $self->{buffer} =~ $regex;
        return if !$self->_fill;
    }
}


sub _exactly {
    my ($self, $size) = @_;

    while (length $self->{buffer} < $size) {
        return if !$self->_fill;
    }
    return substr $self->{buffer}, 0, $size, '';
}


# more bytes into the buffer; false at the end, with the error set

sub _fill {
    my ($self) = @_;

    my $socket = $self->{socket} or return;

    while (1) {
        my $left = $self->{deadline} - time();
        my $ready = ($self->{tls} && $socket->pending)
            || IO::Select->new($socket)->can_read($left > 0 ? $left : 0);
        if (!$ready) {
            $self->{error} = 'timed out';
            return;
        }

        my $got = sysread $socket, $self->{buffer}, 65536,
            length $self->{buffer};
        return 1 if $got;
        next if !defined $got && ($!{EAGAIN} || $!{EINTR});
        $self->{error} = defined $got ? 'closed by the server' : "read: $!";
        $self->close;
        return;
    }
}


# bytes that came without being asked for within that time; '' if none

sub read_raw {
    my ($self, $seconds) = @_;

    $self->{deadline} = time() + (defined $seconds ? $seconds : 1);
    1 while $self->_fill;
    my $bytes = $self->{buffer};
    $self->{buffer} = '';
    return $bytes;
}


sub _broken {
    my ($self, $start, $why) = @_;

    $self->{error} = $why if $why;
    my $answer = $self->_nothing($start);
    $answer->{partial} = $self->{buffer};
    $self->{buffer} = '';
    $self->close;
    return $answer;
}


# --- several at once

# requests (hashes as for request(), each with its own client or the port in
# to => {...}) that are all sent before any answer is read; the answers in
# the same order

sub parallel {
    my ($class, $to, @requests) = @_;

    my @clients = map { $class->new(%$to) } @requests;
    $_->connect for @clients;

    for my $i (0 .. $#requests) {
        $clients[$i]->request(%{$requests[$i]}, no_read => 1);
    }

    my $start = time();
    return map { $clients[$_]->{socket}
        ? $clients[$_]->read_response(%{$requests[$_]}, start => $start)
        : $clients[$_]->_nothing($start) } 0 .. $#requests;
}


# --- HTTP/2 and HTTP/3

# one request by curl: method, uri, headers, body, and
#   no_length   1: the stream carries no content-length
#   args        more options for curl

sub h2 {
    my ($self, %opt) = @_;
    return $self->_by_curl($self->{tls} ? '--http2'
        : '--http2-prior-knowledge', %opt);
}


# only over TLS, to a port of UDP

sub h3 {
    my ($self, %opt) = @_;
    return $self->_by_curl('--http3-only', %opt);
}


sub _by_curl {
    my ($self, $version, %opt) = @_;

    my $tag = "$self->{dir}/curl-$$-" . ++$self->{serial};
    my $scheme = $self->{tls} ? 'https' : 'http';
    my @argv = ('curl', '-sS', '--noproxy', '*', '--max-time',
        $self->{timeout}, '-o', "$tag.body", '-D', "$tag.head", '-X',
        $opt{method} || 'POST', $version, $self->_curl_tls,
        _curl_headers(%opt));

    if (defined $opt{body}) {
        _spill("$tag.send", $opt{body});
        # an upload from a pipe has no length that curl could announce
        push @argv, $opt{no_length} ? ('-T', '-')
            : ('--data-binary', "\@$tag.send");
    }
    push @argv, @{$opt{args} || []};
    push @argv, "$scheme://localhost:$self->{port}"
        . (defined $opt{uri} ? $opt{uri} : '/');
    @argv = ('sh', '-c', 'cat "$0" | exec "$@"', "$tag.send", @argv)
        if defined $opt{body} && $opt{no_length};

    my $start = time();
    my ($status, $said) = _curl(@argv);
    my $head = _slurp("$tag.head");

    # what precedes the final head are interim answers
    $head =~ s/\A(?:HTTP\S+ 1\d\d.*?\r?\n\r?\n)+//s;
    my $answer = $status == 0 && Test::Plum::Response->from_head($head)
        || Test::Plum::Response->new(status => 0, error => "curl: $said");
    $answer->{body} = _slurp("$tag.body");
    $answer->{ms} = 1000 * (time() - $start);
    unlink map { "$tag.$_" } qw(body head send);
    return $answer;
}


# curl closes its input only if it is read to the end: a stdin from nowhere
# would be taken for an empty body, hence run_command and its /dev/null

sub _curl { return run_command(@_) }


sub _curl_tls {
    my ($self) = @_;

    return if !$self->{tls};
    my @args = ('--cacert', "$self->{dir}/ca.crt", '--resolve',
        "localhost:$self->{port}:$self->{host}");
    push @args, '--cert', "$self->{dir}/$self->{cert}.crt", '--key',
        "$self->{dir}/$self->{cert}.key" if $self->{cert};
    return @args;
}


sub _curl_headers {
    my (%opt) = @_;

    my @pairs = !defined $opt{headers} ? ()
        : ref $opt{headers} eq 'HASH'
        ? map { [$_, $opt{headers}{$_}] } sort keys %{$opt{headers}}
        : @{$opt{headers}};

    # curl says "name;" for an empty value, and adds headers nobody asked for
    my @args = map { ('-H', $_->[1] eq '' ? "$_->[0];"
        : "$_->[0]: $_->[1]") } @pairs;
    push @args, '-H', 'Content-Type:'
        if !grep { lc $_->[0] eq 'content-type' } @pairs;
    push @args, '-H', 'Expect:' if !grep { lc $_->[0] eq 'expect' } @pairs;
    return @args;
}


sub _spill {
    my ($path, $bytes) = @_;

    open my $file, '>:raw', $path or die "$path: $!";
    print $file $bytes;
    CORE::close($file) or die "$path: $!";
    return;
}


sub _slurp {
    my ($path) = @_;

    open my $file, '<:raw', $path or return '';
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}


sub DESTROY {
    my ($self) = @_;
    local ($., $@, $!, $^E, $?);
    $self->close;
}

1;
