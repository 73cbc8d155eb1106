#!/usr/bin/perl

# What a body took of plum_body_budget is given back, exactly and whatever
# becomes of the request.  The proof is how many deliveries have room at the
# same time: as many as when the worker was new.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Client;
use Test::Plum::Http2;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';
my $SIZE = 60_000;
my $BODY = '{"id":7,"x":"' . 'y' x ($SIZE - 15) . '"}';

# of each way out so many, that what one forgets is the room of a delivery
my $TIMES = 10;

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('plum', $SECRET);
$t->write_file('page.html', 'sorry');
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_reason $plum_body_sha256';
    plum_body_budget 512k;
    plum_max_body 100k;
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist list { allow id x; }
    plum_allowlist listed {
        event_type event;
        allow id for=a;
        unlisted acknowledge;
    }
    plum_store memory memory:1m;
    plum_tls off;
    plum_signature github secret=plum;
    plum_allow list;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;
        client_body_timeout 1s;
        proxy_read_timeout 30s;
        plum_idempotency_key $request_uri;

        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }

        location /page {
            plum on;
            error_page 400 401 413 /sorry;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location = /sorry { return 403 "sorry"; }

        location /named {
            plum on;
            error_page 502 504 = @other;
            proxy_intercept_errors on;
            proxy_pass http://127.0.0.1:%%PORT_down%%;
        }
        location @other { proxy_pass http://127.0.0.1:%%PORT_up%%; }

        location /dropped {
            plum on;
            plum_allow listed;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /once {
            plum on;
            plum_idempotency memory;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /observed {
            plum on;
            plum_mode observe;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /rewritten {
            plum on;
            rewrite ^ /plain last;
        }
        location /plain { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
$t->run;

my $room = room();
cmp_ok($room, '>=', 3, "room for $room deliveries at the same time");

my %OUT = outcomes();
for my $what (sort keys %OUT) {
    $OUT{$what}->() for 1 .. $TIMES;
    is(room(), $room, "$what: all is given back");
}

evicted();
reloaded();
$t->done_testing;


# how many deliveries can wait for the upstream together

sub room {
    my $gate = 'gate' . ++$serial;
    my @waiting;

    $up->forget;
    $up->on('/', gate => $gate);
    while (@waiting < 20) {
        my $c = $t->client(0);
        my $uri = '/?n=' . ++$serial;
        $c->request(genuine(uri => $uri), no_read => 1);
        poll_until(sub {
            return $up->requests > @waiting
                || $t->read_file('access.log') =~ /^\Q$uri\E /m;
        }, 5);
        last if $up->requests == @waiting;
        push @waiting, $c;
    }
    $up->on('/');
    $up->open_gate($gate);
    my @bad = grep { $_->read_response->status != 200 } @waiting;
    is(scalar @bad, 0, 'those that had room are forwarded');
    return scalar @waiting;
}


sub genuine {
    return $t->signed(scheme => 'github', secret => $SECRET, body => $BODY,
        @_);
}


sub forged { return genuine(secret => 'another secret of many bytes', @_) }


# a request and its status

sub gets {
    my ($status, %request) = @_;

    my $r = $t->request(%request);
    is($r->status, $status, ($request{uri} || '/') . ": $status");
    return;
}


# the middle of a request, then what happens to it

sub half {
    my ($then, %opt) = @_;

    my $c = $t->client(0);
    my %request = forged(uri => '/half?n=' . ++$serial, %opt);
    my $body = $opt{chunked} ? Test::Plum::Client::chunks($BODY, [999])
        : $BODY;
    $c->write($c->head(%request) . substr $body, 0, 40_000);
    $then->($c);
    $c->close;
    ok($t->wait_log(qr/^\Q$request{uri}\E 4\d\d /, 5, 'access.log'),
        'the end of it is in the log');
    return;
}


# who hangs up then does not end the forward

sub hung_up {
    my $uri = '/hung?n=' . ++$serial;
    $t->request(genuine(@_, uri => $uri), hang_up => 'body');
    ok($t->wait_log(qr/^\Q$uri\E /, 5, 'access.log'), 'hung up, forwarded');
    return;
}


sub outcomes {
    my @chunked = (chunked => [5000]);
    my %out;

    for my $how ([], \@chunked) {
        my $name = @$how ? 'chunked' : 'a length';
        my %with = @$how;
        %out = (%out,
            "$name: forwarded" => sub { gets(200, genuine(%with)) },
            "$name: forged" => sub { gets(401, forged(%with)) },
            "$name: an error page" => sub {
                gets(401, forged(%with, uri => '/page'));
            },
            "$name: no JSON" => sub {
                gets(400, genuine(%with, body => "$BODY}"));
            },
            "$name: a named location" => sub {
                gets(200, genuine(%with, uri => '/named'));
            },
            "$name: dropped" => sub {
                gets(200, genuine(%with, uri => '/dropped'));
            },
            "$name: a duplicate" => sub {
                gets(200, genuine(%with, uri => '/once'));
            },
            "$name: observed" => sub {
                gets(200, forged(%with, uri => '/observed'));
            },
            "$name: rewritten" => sub {
                gets(200, forged(%with, uri => '/rewritten'));
            },
            "$name: closed" => sub { half(sub { $_[0]->close }, %with) },
            "$name: reset" => sub { half(sub { $_[0]->reset }, %with) },
            "$name: hung up at the end" => sub { hung_up(%with) },
        );
    }

    my %large = (body => '{"id":"' . 'x' x 200_000 . '"}');
    return (%out,
        'too large' => sub { gets(413, forged(%large)) },
        'too large in chunks' => sub { gets(413, forged(%large, @chunked)) },
        'not in chunks' => sub {
            half(sub { $_[0]->write('z' x 3000); $_[0]->read_response },
                @chunked);
        },
        'HTTP/2 streams that are reset' => sub {
            streams(sub { $_[0]->reset($_[1]) });
        },
        'an HTTP/2 connection that is closed' => sub { streams(sub { }) },
        'too large for HTTP/2' => sub {
            streams(sub {
                my ($h2, $stream) = @_;
                $h2->write($h2->data($stream, 'x' x 16_000)) for 1 .. 5;
                is($h2->answer($stream), 413, 'HTTP/2: too large');
            });
        },
        'forged, HTTP/2' => sub {
            streams(sub {
                my ($h2, $stream) = @_;
                $h2->write($h2->data($stream, '}', 1));
                is($h2->answer($stream), 401, 'HTTP/2: forged');
            });
        },
        'a time-out' => \&time_outs,
    );
}


# all of a body in chunks, but not the chunk that ends it

sub open_chunks {
    return substr Test::Plum::Client::chunks($BODY, [999]), 0, -5;
}


# three streams with most of a body, then what happens to each

sub streams {
    my ($then) = @_;

    my $h2 = Test::Plum::Http2->new($t->client('h2'));
    for (1 .. 3) {
        my $stream = $h2->stream;
        $h2->write($h2->headers($stream, forged()));
        $h2->write($h2->data($stream, 'x' x 13_000)) for 1 .. 4;
        $then->($h2, $stream);
    }
    $h2->client->close;
    return;
}


# as many at the same time as there is room for, once for all

sub time_outs {
    our $done;
    return if $done++;

    my @clients = map { $t->client(0) } 1 .. 8;
    for my $c (@clients) {
        $c->write($c->head(forged(chunked => 1)) . open_chunks());
    }
    $_->read_raw(5) for @clients;
    return;
}


# a refused request that is not over yet gives its body up before others do

sub evicted {
    my $h2 = Test::Plum::Http2->new($t->client('h2'));

    # the answer cannot be sent: its window is closed
    $h2->write(Test::Plum::Http2::frame(4, 0, 0, pack 'nN', 4, 0));
    my @streams = map { $h2->stream } 1 .. 8;
    for my $stream (@streams) {
        $h2->write($h2->headers($stream, forged(uri => '/page')));
        $h2->write($h2->data($stream, 'x' x 13_000, $_ == 4)) for 1 .. 4;
    }
    is($h2->answer($_), 401, 'refused, and not over') for @streams;
    is(room(), $room, 'their memory is there for others');
    $h2->client->close;
    is(room(), $room, 'and once they are over');
    return;
}


sub reloaded {
    my @old = map { $t->client(0) } 1 .. 5;
    $_->write($_->head(forged(chunked => 1)) . open_chunks()) for @old;
    ok($t->reload, 'reload with uploads under way');
    is(room(), $room, 'the new worker has a budget of its own');
    $_->close for @old;
    return;
}
