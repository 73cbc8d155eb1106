#!/usr/bin/perl

# An upstream that answers with success before it was sent the whole request
# cannot have accepted it: no success, whatever its protocol.  Small requests,
# which the socket takes at once, lose nothing by that.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Test::Plum;
use Test::Plum::Process qw(spawn_sub end_process);
use Test::Plum::Redis;

my $SECRET = 'a secret of many bytes 0123456789';
my $END = '"end":"of it"}';

# more than the buffers of two sockets take
my $LARGE = 8 * 1024 * 1024;

my $t = Test::Plum->new;
my $redis = Test::Plum::Redis->new(test => $t);
my $other = $t->upstream('other');
$t->secret('plum', $SECRET);

my %answer = (
    http => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4"
        . "\r\n\r\nfine",
    scgi => "Status: 200 OK\r\nContent-Length: 4\r\n\r\nfine",
    fastcgi => fastcgi("Status: 200 OK\r\nContent-Length: 4\r\n\r\nfine"),
);
$answer{uwsgi} = $answer{scgi};
my @servers = map { serve($_, $answer{$_}) } sort keys %answer;

$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store mem memory:2m;
    plum_store red redis://127.0.0.1:%%PORT_redis%%;
    plum_body_budget 128m;
    client_max_body_size 16m;

    upstream http { server 127.0.0.1:%%PORT_http%%; }
    upstream two {
        server 127.0.0.1:%%PORT_http%% max_fails=0;
        server 127.0.0.1:%%PORT_other%% backup;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_2%% http2;

        plum_tls off;
        plum_max_body 16m;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency mem in_flight=refuse;
        plum_idempotency_key $id;

        location /http { plum on; proxy_pass http://http; }
        location /http11 {
            plum on;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://http;
        }
        location /streamed {
            plum on;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_pass http://http;
        }
        location /unbuffered {
            plum on;
            proxy_buffering off;
            proxy_pass http://http;
        }
        location /off { plum on; plum_ack off; proxy_pass http://http; }
        location /kept {
            plum on;
            plum_ack off;
            plum_idempotency mem in_flight=refuse answer=1k;
            proxy_pass http://http;
        }
        location /redis {
            plum on;
            plum_idempotency red in_flight=refuse;
            proxy_pass http://http;
        }
        location /two {
            plum on;
            proxy_next_upstream error http_503 non_idempotent;
            proxy_pass http://two;
        }
        location /scgi { plum on; scgi_pass 127.0.0.1:%%PORT_scgi%%; }
        location /uwsgi { plum on; uwsgi_pass 127.0.0.1:%%PORT_uwsgi%%; }
        location /fastcgi { plum on; fastcgi_pass 127.0.0.1:%%PORT_fastcgi%%; }
        location /grpc { plum on; grpc_pass grpc://127.0.0.1:%%PORT_h2%%; }
        location /observe {
            plum on;
            plum_mode observe;
            proxy_pass http://http;
        }
    }

    # an upstream of HTTP/2: answers at once, or for a server that has read all
    server {
        listen 127.0.0.1:%%PORT_h2%% http2;
        location / {
            if (-f %%TESTDIR%%/early) { return 200 fine; }
            proxy_pass http://127.0.0.1:%%PORT_other%%;
        }
    }
}
CONF
$t->run;

my $id = 0;

for my $uri ('/http', '/http11', '/streamed', '/unbuffered', '/off', '/kept',
    '/redis', '/two', '/scgi', '/uwsgi', '/fastcgi', '/grpc')
{
    early($uri);
}
over_http2();
observed();

end_process($_, 'KILL') for @servers;
$t->done_testing;


# a server of any protocol: answers what it has received 881 bytes of, and
# reads no more; or, without the file, once it has the end of the body

sub serve {
    my ($name, $answer) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $t->port($name), Listen => 16, ReuseAddr => 1)
        or die "$name: $@";
    my $early = $t->path('early');
    my $count = $t->path("count-$name");

    return spawn_sub(sub {
        my @held;
        while (my $socket = $listen->accept) {
            my $text = '';
            while (sysread $socket, $text, -e $early ? 881 : 65536,
                length $text)
            {
                last if -e $early || index($text, $END) >= 0;
            }
            open my $file, '>>', $count or die "$count: $!";
            print $file "x";
            close $file;
            syswrite $socket, $answer;
            if (-e $early) {
                push @held, $socket;
            } else {
                shutdown $socket, 1;
            }
        }
    });
}


sub fastcgi {
    my ($text) = @_;

    return pack('CCnnCC', 1, 6, 1, length $text, 0, 0) . $text
        . pack('CCnnCC', 1, 3, 1, 8, 0, 0) . "\0" x 8;
}


sub body {
    my ($size) = @_;

    my $key = 'e' . ++$id;
    return ($key, qq({"id":"$key","text":") . 'x' x $size . qq(",$END));
}


sub deliver {
    my ($uri, $body, %more) = @_;

    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => $body, %more)->status;
}


# what the server behind that location has got so far

sub received {
    my ($uri) = @_;

    return scalar(my @all = $other->requests) if $uri eq '/grpc';
    my $name = $uri =~ m{\A/(scgi|uwsgi|fastcgi)} ? $1 : 'http';
    return length $t->read_file("count-$name");
}


sub early {
    my ($uri) = @_;

    for my $size (100, 10_000) {
        my (undef, $small) = body($size);
        $t->write_file('early', '');
        is(deliver($uri, $small), 200, "$uri: $size bytes, answered early");
        unlink $t->path('early');
        is(deliver($uri, $small), 200, "$uri: its copy");
    }

    my (undef, $large) = body($LARGE);
    $t->write_file('early', '');
    is(deliver($uri, $large), 502, "$uri: a large one, answered early");
    unlink $t->path('early');
    my $before = received($uri);
    is(deliver($uri, $large), 200, "$uri: sent again, and read");
    is(deliver($uri, $large), 200, "$uri: its copy");
    is(received($uri) - $before, 1, "$uri: once");
    return;
}


sub over_http2 {
    my (undef, $large) = body($LARGE);
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        uri => '/http', body => $large);

    for my $no_length (0, 1) {
        $t->write_file('early', '');
        my $client = $t->client(2);
        is($client->h2(%request, no_length => $no_length)->status, 502,
            'over HTTP/2: answered early');
        unlink $t->path('early');
    }
    is($t->client(2)->h2(%request)->status, 200, 'over HTTP/2: read');
    return;
}


# forwarded as it was answered; the claim is released

sub observed {
    my (undef, $large) = body($LARGE);

    $t->write_file('early', '');
    is(deliver('/observe', $large), 200, 'observed: the answer passes');
    unlink $t->path('early');
    ok($t->wait_log(qr/answered 200 before the whole request was sent/),
        'it is said');
    return;
}
