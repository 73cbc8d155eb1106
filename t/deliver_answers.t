#!/usr/bin/perl

# Answers of a consumer that would cost more than an attempt may: too large,
# too slow, none at all, or before it has the event.  And what a content
# handler may do with an answer.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::Process qw(spawn_sub end_process);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

my @NAMES = qw(large slow early stalls page limited);

# a consumer of our own: how it answers is said by the path
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
    LocalPort => $t->port('raw'), ReuseAddr => 1) or die $@;
my $raw = spawn_sub(sub { serve($listen) });
close $listen;

$t->gateway(
    store => 'redis://127.0.0.1:%%PORT_redis%% timeout=10s',
    consumers => [map {"deliver $_ /deliver/$_ for=$_;"} @NAMES],
    allow => 'all_of_them',
    server => 'plum_max_body 8m; client_max_body_size 8m;',
    http => 'limit_req_zone $server_name zone=one:1m rate=20r/s;',
    deliver => 'plum_deliver retry=50ms,100ms,10m breaker=off; '
        . 'proxy_http_version 1.1; proxy_set_header Connection "";',
    locations => {
        (map { $_ => "proxy_pass http://127.0.0.1:%%PORT_raw%%$_;" }
            map {"/deliver/$_"} qw(large slow early)),
        '/deliver/stalls' => 'proxy_read_timeout 300ms; '
            . 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
        '/deliver/page' => 'proxy_intercept_errors on; '
            . 'error_page 500 =200 /page.html; '
            . 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
        '/deliver/limited' => 'limit_req zone=one burst=50; '
            . 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
    },
    more => 'access_log %%TESTDIR%%/deliver.log deliver;
        location = /page.html { internal; root %%TESTDIR%%; }
        location = /inner { internal; return 200 inner; }
        location = /nowhere { internal; return 404; }',
);
my $up = $t->{up};
$t->write_file('page.html', 'sorry');

large();
unread();
slow();
early();
stalls();
page();
redirects();
upgrade();
limited();

end_process($raw, 'KILL');
$t->done_testing;


sub event {
    my ($name, %with) = @_;

    my $key = $t->next_key;
    $up->forget;
    ok($t->accepted({id => $key, type => $name, %with}), 'accepted');
    return $key;
}


# 100 MB are neither kept nor read to the end

sub large {
    my $key = event('large');
    is($t->ends($key, 1), '1:200:delivered', '100 MB: it has the event');
    ok($t->empty('large'), 'done');
    is(scalar $t->log_lines(qr/answer is larger than 1048576 bytes/), 1,
        'the rest is not read');
    is(scalar $t->log_lines(qr/buffered to a temporary file/), 0,
        'nothing is kept of it');
    return;
}


# an answer within the bound is read to its end, so the connection is kept

sub unread {
    $up->answer(status => 200, body => 'x' x 1000, repeat => 500);
    is($t->ends(event('limited'), 1), '1:200:delivered', 'half a megabyte');
    $up->answer(status => 200);
    is(scalar(my @c = $up->connections), 1, 'one connection');
    return;
}


sub slow {
    my $key = event('slow');
    ok($t->empty('slow', 20), 'an answer byte by byte');
    is($t->ends($key, 1), '1:200:delivered', 'its status is what counts');
    is(scalar $t->log_lines(qr/answer takes longer than 10000ms/), 1,
        'the rest is not waited for');
    return;
}


# 200 before the event has been read is no success

sub early {
    my $key = event('early', big => 'x' x 6_000_000);
    like($t->ends($key, 2), qr/^1:200:again 2:200:again/, 'answered too early');
    is(scalar $t->log_lines(qr/status\ 200\ before\ it\ had\ the\ whole
        \ event/x), 1, 'and why');
    $t->pause('early');
    return;
}


sub stalls {
    $up->script({action => 'hang'});
    is($t->ends(event('stalls'), 2), '1:504:again 2:200:delivered',
        'no answer in time');
    return;
}


# what the consumer said counts, not what NGINX makes of it

sub page {
    $up->script({status => 500}, {status => 200,
        headers => [['X-Accel-Redirect', '/inner']]});
    my $key = event('page');
    is($t->ends($key, 2), '1:200:again 2:200:delivered',
        'an error page makes no success, a redirect no failure');
    return;
}


sub redirects {
    $up->script({status => 301, headers => [['Location', 'http://other/']]},
        {status => 200, headers => [['X-Accel-Redirect', '/nowhere']]});
    my $key = event('limited');
    is($t->ends($key, 2), '1:301:again 2:404:delivered', 'nothing is followed');
    return;
}


sub upgrade {
    $up->script({status => 101, headers => [['Upgrade', 'websocket'],
        ['Connection', 'Upgrade']]});
    my $key = event('limited');
    like($t->ends($key, 2), qr/^1:\d+:again 2:200:delivered$/,
        'another protocol is no success');
    return;
}


sub limited {
    my @keys = map { event('limited') } 1 .. 30;
    is($t->ends($keys[-1], 1), '1:200:delivered', 'delayed by limit_req');
    ok($t->empty('limited'), 'all delivered');
    return;
}


# --- the consumer: one connection after the other, each in a process

sub serve {
    my ($listening) = @_;

    $SIG{PIPE} = 'IGNORE';
    $SIG{CHLD} = 'IGNORE';
    while (my $client = $listening->accept) {
        next if fork;
        talk($client);
        exit 0;
    }
    return;
}


sub talk {
    my ($client) = @_;

    my $in = '';
    while ($in !~ /\r\n\r\n/) {
        sysread $client, $in, 4096, length $in or return;
    }
    my ($path) = $in =~ m{^POST /deliver/(\w+)};

    if ($path eq 'early') {
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        sleep 5;
        return;
    }

    my ($length) = $in =~ /content-length: (\d+)/i;
    $in =~ s/\A.*?\r\n\r\n//s;
    while (length $in < $length) {
        sysread $client, $in, 65536, length $in or return;
    }

    if ($path eq 'large') {
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
        for (1 .. 1000) {
            my $left = 'x' x 100_000;
            while (length $left) {
                my $n = syswrite $client, $left or return;
                substr $left, 0, $n, '';
            }
        }
        return;
    }

    if ($path eq 'slow') {
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        for (1 .. 1000) {
            syswrite $client, 'x' or return;
            sleep 0.1;
        }
        return;
    }
    return;
}
