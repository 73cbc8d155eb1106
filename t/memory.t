#!/usr/bin/perl

# What a stranger can make a worker hold: uploads with forged signatures that
# never end, beside the same uploads to a plain proxy_pass.  The memory of the
# worker is measured, so each measurement has an NGINX of its own.

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
my $KB = 1024;
my $MB = 1024 * $KB;
my $SIZE = 256 * $KB;
my $TEXT = '{"id":7,"x":"' . 'y' x ($SIZE - 15) . '"}';
my @LENGTH = (['content-length', $SIZE]);
my @CHUNKED = (['transfer-encoding', 'chunked']);

# of a heap's fragments, and of what NGINX itself keeps for a connection
my $PART = 1.25;
my $MARGIN = 3 * $MB;

{
    my $t = site();
    my $skip = $t->keeps_freed;
    $t->quit;
    $_->stop for @{$t->{upstreams}};
    plan skip_all => 'a sanitizer or valgrind has memory of its own' if $skip;
}

for my $case (
    ['chunked', \&chunked],
    ['a length', sub { upload($_[0], \@LENGTH, substr $TEXT, 1) }],
    ['HTTP/2, no length', \&streams],
    ['HTTP/2, a length', sub { streams(@_, @LENGTH) }],
) {
    my ($what, $send) = @$case;
    my %to = (http2 => $what =~ /HTTP/ ? 1 : 0);
    my ($plain) = growth('plain', 200, $send, %to);

    my ($once) = growth('gate', 200, $send, %to, budget => '1024m');
    cmp_ok($once, '<', $plain + $PART * 200 * $SIZE + $MARGIN,
        "$what: a body is held once");

    my ($bounded) = growth('gate', 200, $send, %to, budget => '16m');
    cmp_ok($bounded, '<', $plain + $PART * 16 * $MB + $MARGIN,
        "$what: all bodies are held within the budget");
}

default_budget();
declared();
pieces();
done_testing();


sub default_budget {
    my ($plain) = growth('plain', 400, \&chunked);
    my ($gate) = growth('gate', 400, \&chunked);

    cmp_ok($gate, '<', $plain + $PART * 64 * $MB + $MARGIN,
        'there is a budget without being asked for');
    return;
}


# A length that is only declared costs what it costs without us.

sub declared {
    for my $case (['nothing', ''], ['a byte', '{'], ['a KB', 'x' x $KB]) {
        my ($what, $sent) = @$case;
        my $send = sub { upload($_[0], \@LENGTH, $sent) };
        my (undef, $plain) = growth('plain', 300, $send);
        my (undef, $gate) = growth('gate', 300, $send);

        cmp_ok($gate, '<', $plain + 300 * 8 * $KB + $MARGIN,
            "a length and $what: not allocated");
    }
    return;
}


# Nor does a body cost more because it comes in many pieces.

sub pieces {
    for my $size (12_000, $SIZE) {
        my $send = sub {
            upload($_[0], [['content-length', $size]], '')
        };
        my $drip = sub {
            my (@clients) = @_;
            for (1 .. 3000) {
                $_->write('x') for @clients;
            }
        };
        my ($plain) = growth('plain', 50, $send, then => $drip);
        my ($gate) = growth('gate', 50, $send, then => $drip);

        cmp_ok($gate, '<', $plain / 2 + $MARGIN,
            "3,000 single bytes of $size: no piece is remembered");
    }
    return;
}


# what n uploads make the worker hold: resident memory of its own, and what
# it has allocated.  The location is plain or gate; http2: a hundred uploads a
# connection

sub growth {
    my ($location, $n, $send, %opt) = @_;

    my $t = site(%opt);
    my @before = private($t);
    my $count = $opt{http2} ? $n / 100 : $n;
    my @clients = map { $t->client($location . ($opt{http2} ? 2 : "")) }
        1 .. $count;
    $send->($_) for @clients;
    all_read($t);
    if ($opt{then}) {
        $opt{then}->(@clients);
        all_read($t);
    }
    my @after = private($t);

    good($t, "$location, in the middle of it");
    $_->close for @clients;
    good($t, "$location, afterwards");
    ok($t->quit, 'nginx quits when asked');
    is(join("\n", $t->damage), '', 'no alert, no crash in the logs');
    $_->stop for @{$t->{upstreams}};
    return map { $after[$_] - $before[$_] } 0, 1;
}


sub site {
    my (%opt) = @_;

    my $budget = $opt{budget} ? "plum_body_budget $opt{budget};" : '';
    my $t = Test::Plum->new;
    $t->upstream('up');
    $t->secret('plum', $SECRET);
    $t->write_conf(<<'CONF' =~ s/BUDGET/$budget/r);
%%GLOBALS%%
events { worker_connections 2000; }
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist id { allow id; }
    plum_signature github secret=plum;
    plum_allow id;
    plum_tls off;
    BUDGET

    server {
        listen 127.0.0.1:%%PORT_gate%%;
        listen 127.0.0.1:%%PORT_gate2%% http2;
        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }

    server {
        listen 127.0.0.1:%%PORT_plain%%;
        listen 127.0.0.1:%%PORT_plain2%% http2;
        location / { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
    $t->run;
    good($t, 'at first');
    return $t;
}


# a whole delivery of full size

sub good {
    my ($t, $what) = @_;

    my $r = $t->deliver(port => 'gate', scheme => 'github', secret => $SECRET,
        body => $TEXT, chunked => [5000]);
    is($r->status, 200, "$what: a good one") or diag($r->error || '');
    return;
}


sub private {
    my ($t) = @_;

    my ($pid) = $t->workers;
    my $rollup = $t->read_file("/proc/$pid/smaps_rollup");
    my $resident = 0;
    $resident += $1 while $rollup =~ /^Private_(?:Clean|Dirty):\s+(\d+) kB/mg;
    my ($data) = $t->read_file("/proc/$pid/status")
        =~ /^VmData:\s+(\d+) kB/m;
    return ($resident * $KB, $data * $KB);
}


# waits until the worker has read all that was sent to it

sub all_read {
    my ($t) = @_;

    my %ours = map { sprintf('%04X', $t->port($_)) => 1 }
        qw(gate gate2 plain plain2);
    my $read = poll_until(sub {
        my @lines = split /\n/, $t->read_file('/proc/net/tcp');
        return !grep {
            my (undef, $local, $remote, undef, $queues) = split;
            my ($out, $in) = split /:/, $queues;
            ($ours{substr $local, -4} && hex $in)
                || ($ours{substr $remote, -4} && hex $out)
        } grep { /:/ } @lines;
    }, 60);
    ok($read, 'all was read');
    return;
}


# --- uploads with a signature that is well-formed and nothing else

sub upload {
    my ($client, $framing, $bytes) = @_;

    $client->write($client->head(method => 'POST', headers => [forged(),
        @$framing]) . $bytes);
    return;
}


sub forged {
    return (['content-type', 'application/json'],
        ['x-hub-signature-256', 'sha256=' . 'ab' x 32]);
}


sub chunked {
    my ($client) = @_;

    my $body = Test::Plum::Client::chunks(substr($TEXT, 1), [4000]);
    return upload($client, \@CHUNKED, substr $body, 0, -5);
}


# a hundred streams of a connection, which all lack their last byte

sub streams {
    my ($client, @fields) = @_;

    my $h2 = Test::Plum::Http2->new($client);
    for (1 .. 100) {
        my $stream = $h2->stream;
        $h2->write($h2->headers($stream, headers => [forged()],
            fields => \@fields));
        for (my $at = 1; $at < $SIZE; $at += 16_000) {
            $h2->write($h2->data($stream, substr $TEXT, $at, 16_000));
        }
    }
    return;
}
