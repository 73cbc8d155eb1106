#!/usr/bin/perl

# Many reloads while deliveries go on: no delivery fails, and nothing grows,
# neither memory nor descriptors of the master, nor the workers that a reload
# starts; and a worker is gone within worker_shutdown_timeout, whatever it was
# at.  PLUM_RELOADS says how many.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../t/lib";

use IO::Select;
use IO::Socket::INET;
use List::Util qw(sum);
use Test::More;
use Test::Plum;
use Test::Plum::Process qw(memory poll_until spawn_sub end_process);
use Test::Plum::Redis;
use Time::HiRes qw(sleep time);

my $SECRET = 'a secret of many bytes 0123456789';
my $RELOADS = $ENV{PLUM_RELOADS} || 200;

# what memory may grow by from the first quarter to the end, bytes: less than
# a configuration of these would take, if one in ten reloads left it behind
my $GROWTH = 1024 * 1024;

# of worker_shutdown_timeout, seconds, and what a busy machine may add
my ($TIMEOUT, $SLACK) = (2, 1);

my $t = Test::Plum->new(workers => 2, log => 'warn');
my $redis = Test::Plum::Redis->new(test => $t);
my @rules = map { "allow data.field$_ items[].part$_;" } 1 .. 500;

$t->secret('plum', $SECRET);
$t->write_conf(<<"CONF");
%%GLOBALS%%
worker_shutdown_timeout ${TIMEOUT}s;
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store here memory:8m;
    plum_store there redis://127.0.0.1:%%PORT_redis%%;
    plum_allowlist many { allow id; @rules }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        %%TLS_SERVER%%
        plum_tls off;
        plum_signature standard-webhooks secret=plum;
        plum_allow many;
        plum_capture \$id id;
        plum_idempotency_key \$id;

        location /here {
            plum on;
            plum_idempotency here;
            proxy_pass http://127.0.0.1:%%PORT_back%%;
        }
        location /there {
            plum on;
            plum_idempotency there;
            proxy_pass http://127.0.0.1:%%PORT_back%%;
        }
        location /never {
            plum on;
            plum_idempotency there in_flight=wait:50s;
            proxy_pass http://127.0.0.1:%%PORT_never%%;
        }
    }
    server {
        listen 127.0.0.1:%%PORT_back%%;
        location / { return 200; }
    }
}
CONF
$t->run;

my @senders = map { sender($_) } qw(here there);

my %first;
for my $n (1 .. $RELOADS) {
    $t->reload(30) or die "reload $n did not come about\n";
    next if $n != int($RELOADS / 4);
    %first = figures();
}
my %last = figures();

for my $what (sort keys %last) {
    my $grown = $last{$what} - $first{$what};
    my $limit = $what =~ /memory/ ? $GROWTH : 0;
    cmp_ok($grown, '<=', $limit, "$what: $first{$what}, then $last{$what}");
}

end_process($_) for @senders;
for my $uri (qw(here there)) {
    my ($sent, @wrong) = split /\n/, $t->read_file("$uri.result");
    cmp_ok($sent || 0, '>', $RELOADS, "/$uri: deliveries all the while");
    is(join("\n", @wrong), '', "/$uri: all of them answered with success");
}
ok(poll_until(sub { $t->workers(all => 1) == 2 }, 5), 'old workers are gone');
leaves_in_time() for 1 .. 5;
$t->done_testing;


# a body half sent, a forward that nobody answers, a copy that waits for it

sub leaves_in_time {
    my $never = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 9,
        LocalPort => $t->port('never'), ReuseAddr => 1) or die "never: $@\n";
    my %request = $t->signed(scheme => 'standard-webhooks', secret => $SECRET,
        uri => '/never', body => '{"id":"never-' . time() . '"}');
    my @clients = map { $t->client(0) } 1 .. 3;

    $clients[0]->write($clients[0]->head(%request) . '{"id"');
    $_->request(%request, no_read => 1) for @clients[1, 2];
    poll_until(sub { IO::Select->new($never)->can_read(0) }, 5)
        or die "nothing is forwarded\n";
    sleep 0.2;

    my $start = time();
    $t->reload(10) or die "a reload did not come about\n";
    ok(poll_until(sub { $t->workers(all => 1) == 2 }, 20), 'workers leave');
    my $took = time() - $start;
    cmp_ok($took, '>', $TIMEOUT / 2, 'they had something to wait for');
    cmp_ok($took, '<', $TIMEOUT + $SLACK, 'within worker_shutdown_timeout');
    return;
}


# one delivery after the other, over TLS and not; a new connection each, as a
# worker that shuts down closes idle ones

sub sender {
    my ($uri) = @_;

    return spawn_sub(sub {
        my ($sent, $end, @wrong) = (0, 0);
        $SIG{TERM} = sub { $end = 1 };

        while (!$end) {
            my %to = $sent % 8 ? () : (port => 'tls', tls => 1);
            my $r = $t->deliver(%to, scheme => 'standard-webhooks',
                secret => $SECRET, uri => "/$uri",
                body => "{\"id\":\"$uri-$sent\",\"x\":1}");
            $sent++;
            push @wrong, "$sent: " . $r->status if $r->status != 200 && !$end;
            sleep 0.005;
        }
        $t->write_file("$uri.result", join "\n", $sent, @wrong, '');
    });
}


# when the workers of before are gone

sub figures {
    poll_until(sub { $t->workers(all => 1) == 2 }, 10)
        or die "old workers stay\n";
    sleep 0.5;

    my %figure = (
        'memory of the master' => memory($t->pid),
        'descriptors of the master' => descriptors($t->pid),
    );
    $figure{'memory of the workers'} = sum(map { memory($_) } $t->workers);
    $figure{'files of the workers'} = sum(map { files($_) } $t->workers);
    return %figure;
}


sub descriptors {
    my ($pid) = @_;
    return scalar(() = glob "/proc/$pid/fd/*");
}


# connections come and go, but files and pipes have no reason to

sub files {
    my ($pid) = @_;
    return scalar grep { (readlink($_) || '') !~ /^socket:/ }
        glob "/proc/$pid/fd/*";
}
