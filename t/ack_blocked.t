#!/usr/bin/perl

# An acknowledgement that the sender's socket does not take at once: it is
# written when there is room, also if the upstream breaks off in the midst of
# its body, which has not been waited for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF pack_sockaddr_in inet_aton);
use Test::More;
use Test::Plum;
use Time::HiRes qw(sleep);

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":"1"}';
my $MANY = 3000;

my $t = Test::Plum->new;
my $up = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
    LocalPort => $t->port('up'), ReuseAddr => 1) or die "listen: $!\n";
my $fill = 'x' x 100;

$t->secret('key', $SECRET);
$t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_signature github secret=key;
    plum_allow all;
    plum_tls off;
    keepalive_requests 100000;
    send_timeout 20s;

    server {
        listen 127.0.0.1:%%PORT_0%% sndbuf=1k;
        location /fill {
            access_log %%TESTDIR%%/fill.log;
            return 200 "$fill";
        }
        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /streamed {
            plum on;
            proxy_buffering off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

my $room = room();
cmp_ok($room, '>', 0, "$room answers fit");
cmp_ok($room, '<', $MANY, 'and no more');

for my $uri ('/', '/streamed') {
    for my $n ($room - 2 .. $room) {
        blocked($uri, $n, $_) for qw(breaks ends);
    }
}

$t->done_testing;


# a sender with little room, which has written this and reads nothing yet

sub sender {
    my ($text) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!\n";
    setsockopt $s, SOL_SOCKET, SO_RCVBUF, 1024 or die "SO_RCVBUF: $!\n";
    connect $s, pack_sockaddr_in($t->port(0), inet_aton('127.0.0.1'))
        or die "connect: $!\n";
    $s->blocking(0);

    while ($text ne '') {
        IO::Select->new($s)->can_write(1) or last;
        my $n = syswrite $s, $text;
        die "write: $!\n" if !defined $n;
        substr $text, 0, $n, '';
    }
    return $s;
}


sub fills {
    my ($n) = @_;
    return "GET /fill HTTP/1.1\r\nHost: localhost\r\n\r\n" x $n;
}


# how many answers are written before one has to wait

sub room {
    my $s = sender(fills($MANY));
    my ($n, $before) = (0, -1);

    while ($n != $before) {
        $before = $n;
        sleep 0.3;
        $n = () = $t->read_file('fill.log') =~ /\n/g;
    }
    return $n;
}


# The upstream says 200 and sends some of its body.  Then the sender reads,
# and only then the upstream goes on, or does not.

sub blocked {
    my ($uri, $n, $how) = @_;

    my $what = "$uri, behind $n answers, the upstream $how";
    my $size = 100_000;
    my $head = $t->client(0)->head($t->signed(scheme => 'github',
        secret => $SECRET, body => $BODY, uri => $uri));
    my $s = sender(fills($n) . $head . $BODY);

    # where writes are cut, an answer before it may be the one that waits
    my ($text, $request, $tries) = ('', '', 0);
    reads($s, \$text, heads($text) + 1, 0.2)
        while !IO::Select->new($up)->can_read(0.5) && $tries++ < 20;
    cmp_ok($tries, '<=', 20, "$what: forwarded") or return;

    my $c = $up->accept;
    while ($request !~ /\Q$BODY\E\z/) {
        sysread($c, $request, 65536, length $request) or last;
    }
    syswrite $c, "HTTP/1.1 200 OK\r\nContent-Length: $size\r\n\r\n"
        . 'y' x 1000;
    sleep 0.2;

    reads($s, \$text, $n + 1, 0.3);
    cmp_ok(heads($text), '>=', $n, "$what: read");
    syswrite $c, 'y' x ($size - 1000) if $how eq 'ends';
    close $c;

    reads($s, \$text, $n + 1, 5);
    is(heads($text), $n + 1, "$what: 200");
    return;
}


# what comes, until there are so many answers, or so many seconds of nothing

sub reads {
    my ($s, $text, $n, $seconds) = @_;

    while (heads($$text) < $n) {
        IO::Select->new($s)->can_read($seconds) or last;
        sysread($s, $$text, 65536, length $$text) or last;
    }
    return;
}


sub heads {
    my ($text) = @_;
    return scalar(() = $text =~ m{HTTP/1\.1 200 .*?\r\n\r\n}gs);
}
