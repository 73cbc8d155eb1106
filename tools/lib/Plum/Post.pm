package Plum::Post;

# One POST over HTTP/1.1 with exactly the headers that were asked for: no
# library adds, folds or respells one.  Plain HTTP or TLS.

use strict;
use warnings;

use IO::Select;
use IO::Socket::IP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);


# the parts of an address; dies if it is none

sub parse_url {
    my ($url) = @_;

    my ($scheme, $host, $port, $uri) = $url =~ m{
        \A(https?)://(\[[0-9a-fA-F:.]+\]|[^\s/:?#\[\]@]+)(?::(\d+))?
        ([/?][^\s#]*)?\z
    }xi or die "not an http or https address: \"$url\"\n";

    $uri = '/' if !defined $uri;
    $uri = "/$uri" if $uri =~ /\A\?/;
    my $tls = lc $scheme eq 'https';
    return {
        tls => $tls, uri => $uri, host => $host =~ s/[\[\]]//gr,
        port => defined $port ? $port : $tls ? 443 : 80,
        authority => defined $port ? "$host:$port" : $host,
    };
}


# %opt: url (parsed), headers (pairs), body, timeout, and for TLS cacert,
# insecure, cert, key.  Dies if there is no whole answer; else returns a hash:
# line, status, headers, body, ms (from the first byte sent to the last
# received)

sub post {
    my (%opt) = @_;

    my $socket = _connect(%opt);
    my $head = "POST $opt{url}{uri} HTTP/1.1\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" } @{$opt{headers}}) . "\r\n";

    my $start = time();
    my $in = {
        socket => $socket, tls => $opt{url}{tls}, buffer => '',
        deadline => $start + ($opt{timeout} || 30),
    };

    # a server that refuses may answer and close before it has the whole body:
    # its answer counts, not the failed write
    my $wrote = _write($in, $head . $opt{body});
    my $answer = eval { _read_answer($in) };
    my $why = $@;
    die $wrote ? $why : "the server closed the connection: $why" if !$answer;

    $answer->{ms} = 1000 * (time() - $start);
    return $answer;
}


sub _connect {
    my (%opt) = @_;

    my $url = $opt{url};
    my $socket = IO::Socket::IP->new(PeerHost => $url->{host},
        PeerService => $url->{port}, Timeout => $opt{timeout} || 30)
        or die "cannot connect to $url->{host} port $url->{port}: $@\n";
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    return $socket if !$url->{tls};

    eval { require IO::Socket::SSL; 1 }
        or die "https needs IO::Socket::SSL"
            . " (Debian: libio-socket-ssl-perl)\n";

    my %tls = (SSL_hostname => $url->{host} =~ /[^\d.:]/ ? $url->{host} : '');
    if ($opt{insecure}) {
        $tls{SSL_verify_mode} = IO::Socket::SSL::SSL_VERIFY_NONE();
    } else {
        $tls{SSL_verifycn_scheme} = 'http';
        $tls{SSL_verifycn_name} = $url->{host};
    }
    $tls{SSL_ca_file} = $opt{cacert} if defined $opt{cacert};
    $tls{SSL_cert_file} = $opt{cert} if defined $opt{cert};
    $tls{SSL_key_file} = $opt{key} if defined $opt{key};

    no warnings 'once';
    return IO::Socket::SSL->start_SSL($socket, %tls,
        Timeout => $opt{timeout} || 30)
        || die "TLS with $url->{host} port $url->{port}: "
            . "$IO::Socket::SSL::SSL_ERROR\n";
}


sub _write {
    my ($in, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $at = 0;
    while ($at < length $bytes) {
        my $sent = syswrite $in->{socket}, $bytes, 65536, $at;
        next if !defined $sent && $!{EINTR};
        return if !defined $sent;
        $at += $sent;
    }
    return 1;
}


sub _read_answer {
    my ($in) = @_;

    my $answer;
    do {
        $answer = _read_head($in);
    } while $answer->{status} < 200;

    $answer->{body} = _read_body($in, $answer);
    return $answer;
}


sub _read_head {
    my ($in) = @_;

    my ($line, @lines) = split /\r?\n/, _until($in, qr/\r?\n\r?\n/);
    die "not an HTTP answer\n"
        if !defined $line || $line !~ m{\AHTTP/1\.\d (\d{3})(?: |\z)};

    my @headers = map { /\A([^:\s]+):\s*(.*?)\s*\z/ ? [lc $1, $2] : () }
        @lines;
    return {line => $line, status => $1, headers => \@headers}
        if $line =~ m{\AHTTP/1\.\d (\d{3})};
}


sub header {
    my ($answer, $name) = @_;

    my ($value) = map { $_->[1] }
        grep { $_->[0] eq lc $name } @{$answer->{headers}};
    return $value;
}


sub _read_body {
    my ($in, $answer) = @_;

    return '' if $answer->{status} == 204 || $answer->{status} == 304;

    my $coding = header($answer, 'transfer-encoding');
    return _read_chunks($in) if defined $coding && $coding =~ /chunked/i;

    my $length = header($answer, 'content-length');
    return _exactly($in, $length) if defined $length;

    1 while _fill($in);
    return $in->{buffer};
}


sub _read_chunks {
    my ($in) = @_;

    my $body = '';
    while (1) {
        my ($size) = _until($in, qr/\r?\n/) =~ /\A([0-9a-fA-F]{1,8})/
            or die "a chunk without a size\n";
        last if hex $size == 0;
        $body .= _exactly($in, hex $size);
        _until($in, qr/\r?\n/);
    }
    1 while _until($in, qr/\r?\n/) =~ /[^\r\n]/;
    return $body;
}


sub _until {
    my ($in, $regex) = @_;

    while ($in->{buffer} !~ $regex) {
        _fill($in) or die "no whole answer\n";
    }
    $in->{buffer} =~ $regex;
    return substr $in->{buffer}, 0, $+[0], '';
}


sub _exactly {
    my ($in, $size) = @_;

    while (length $in->{buffer} < $size) {
        _fill($in) or die "the answer was cut short\n";
    }
    return substr $in->{buffer}, 0, $size, '';
}


# more bytes; false at the end of the connection

sub _fill {
    my ($in) = @_;

    while (1) {
        my $left = $in->{deadline} - time();
        my $ready = ($in->{tls} && $in->{socket}->pending)
            || IO::Select->new($in->{socket})
                ->can_read($left > 0 ? $left : 0);
        die "no answer in time\n" if !$ready;

        my $got = sysread $in->{socket}, $in->{buffer}, 65536,
            length $in->{buffer};
        next if !defined $got && ($!{EINTR} || $!{EAGAIN});
        return $got;
    }
}

1;
