#!/usr/bin/perl

# The counts of plum_status under load: while NGINX is reloaded, with gates and
# workers that come and go, all who got an answer are counted exactly once;
# while workers are killed, none of them is missing.
#
# PLUM_STATUS_EVENTS=100000: that many events, rather than a few.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Metrics;
use Test::Plum::Process qw(poll_until spawn_sub reap);

my $SECRET = 'a secret of many bytes 0123456789';
my $EVENTS = $ENV{PLUM_STATUS_EVENTS} || 3000;
my $SENDERS = 4;

my $t = Test::Plum->new(workers => 2);
$t->secret('plum', $SECRET);
configure();
$t->run;

keeps_counts();
failed_reload();
load('reloads', sub { reload_all() });
load('reloads and kills', sub { reload_all(); $t->kill_worker for 1 .. 2 });

$t->done_testing;


# more: gates beside /a and /b, a number each

sub configure {
    my (%opt) = (more => [], gone => '', junk => '', @_);

    my $gates = join '', map { "location /more$_ { plum on; "
        . "proxy_pass http://127.0.0.1:%%PORT_end%%; }\n" } @{$opt{more}};
    my $a = $opt{gone} ? '' : 'location /a { plum on name=a; '
        . 'proxy_pass http://127.0.0.1:%%PORT_end%%; }';
    $t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_tls off;
    plum_signature github secret=plum;
    plum_allow all;
    $opt{junk}

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name s;
        $gates
        $a
        location /b { plum on; proxy_pass http://127.0.0.1:%%PORT_end%%; }
        location = /status { plum_status; }
    }
    server {
        listen 127.0.0.1:%%PORT_end%%;
        return 204;
    }
}
CONF
    return;
}


sub deliver {
    my ($uri, %opt) = @_;
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        %opt)->status;
}


sub accepted {
    return Test::Plum::Metrics->read($t)
        ->by('plum_events_total', 'gate', verdict => 'accepted');
}


sub keeps_counts {
    deliver('/a') for 1 .. 3;
    deliver('/b', secret => 'x' x 20) for 1 .. 2;
    deliver('/b');
    is_deeply(accepted(), {a => 3, 's/b' => 1}, 'counts');

    # more gates than before, in front of them, and more workers
    $t->{workers} = 5;
    configure(more => [1 .. 40]);
    ok($t->reload, 'more gates, more workers');
    is_deeply(accepted(), {a => 3, 's/b' => 1}, 'they are kept');
    deliver('/a') for 1 .. 20;
    deliver('/more7');
    is_deeply(accepted(), {a => 23, 's/b' => 1, 's/more7' => 1},
        'and go on');

    $t->{workers} = 1;
    configure(gone => 1);
    ok($t->reload, 'one worker, a gate is gone');
    is_deeply(accepted(), {'s/b' => 1}, 'what is left is kept');
    deliver('/b');

    $t->{workers} = 3;
    configure(more => [7]);
    ok($t->reload, 'it comes back');
    is_deeply(accepted(), {a => 23, 's/b' => 2, 's/more7' => 1},
        'with its counts');
    my $m = Test::Plum::Metrics->read($t);
    is($m->value('plum_refused_total', gate => 's/b',
        reason => 'credential_mismatch'), 2, 'refusals are kept, too');
    is($m->value('plum_secret_matches_total', gate => 'a'), 23,
        'so are the secrets');
    is($m->value('plum_gate_seconds_count', gate => 'a'), 23,
        'and the times');
    return;
}


# neither nginx -t nor a reload that fails changes anything

sub failed_reload {
    my $before = accepted();

    my ($status) = $t->test_config($t->read_file('nginx.conf')
        =~ s/^error_log .*$//mr =~ s/^pid .*$/pid %%TESTDIR%%\/other.pid;/mr);
    is($status, 0, 'nginx -t');
    is_deeply(accepted(), $before, 'changes no count');

    $t->expect_log(qr/\[emerg\].*"\/nowhere\/log"/);
    configure(gone => 1, more => [50 .. 60],
        junk => 'access_log /nowhere/log;');
    $t->signal('HUP');
    ok($t->wait_log(qr{/nowhere/log}, 10), 'a reload that fails');
    is_deeply(accepted(), $before, 'changes none, either');
    deliver('/a');
    $before->{a}++;
    is_deeply(accepted(), $before, 'and what runs goes on counting');

    configure(more => [7]);
    ok($t->reload, 'a good one');
    is_deeply(accepted(), $before, 'has them all');
    return;
}


# each case is what may happen to NGINX under load

sub reload_all {
    for my $case ([4, 7], [1, 1 .. 30], [3, 7, 90]) {
        my ($workers, @more) = @$case;
        $t->{workers} = $workers;
        configure(more => \@more);
        ok($t->reload(30), "reload: $workers workers, " . @more . ' gates');
    }
    return;
}


sub load {
    my ($what, $happens) = @_;

    my %before = %{accepted()};
    my $refused = refused();
    my @senders = map { my $n = $_; spawn_sub(sub { sender($n) }) }
        1 .. $SENDERS;

    my $rounds = 0;
    do {
        $happens->();
        $rounds++;
    } while grep { !defined reap($_) } @senders;
    is(scalar(grep { reap($_) != 0 } @senders), 0,
        "$what: all sent, $rounds rounds");

    # old workers have ended when nothing more can be counted
    ok(poll_until(sub { $t->workers(all => 1) == $t->{workers} }, 30),
        'old workers have left');

    my (%sent, %answered);
    for my $n (1 .. $SENDERS) {
        for my $line (split /\n/, $t->read_file("sender-$n")) {
            my ($gate, $tries, $answers) = split ' ', $line;
            $sent{$gate} += $tries;
            $answered{$gate} += $answers;
        }
    }

    my %after = %{accepted()};
    my %counted = (a => $after{a} - $before{a},
        'b' => $after{'s/b'} - $before{'s/b'}, refused => refused() - $refused);
    for my $gate (sort keys %counted) {
        if ($what =~ /kill/) {
            ok($counted{$gate} >= $answered{$gate}
                && $counted{$gate} <= $sent{$gate},
                "$what, $gate: none is missing: $answered{$gate} answered, "
                . "$counted{$gate} counted, $sent{$gate} sent");
        } else {
            is($counted{$gate}, $answered{$gate}, "$what, $gate: exact");
        }
    }

    my $m = Test::Plum::Metrics->read($t)->adds_up($what);
    return;
}


sub refused {
    return Test::Plum::Metrics->read($t)->value('plum_refused_total',
        gate => 's/b', reason => 'credential_mismatch');
}


# writes down what it has sent and what was answered, by kind; a worker that
# dies or leaves may close a connection before it has read the request

sub sender {
    my ($n) = @_;

    my %tally = map { $_ => [0, 0] } qw(a b refused);
    my $client = $t->client(0);

    for my $i (1 .. $EVENTS / $SENDERS) {
        my $kind = (qw(a b refused))[$i % 3];
        my $status = deliver($kind eq 'a' ? '/a' : '/b', client => $client,
            $kind eq 'refused' ? (secret => 'x' x 20) : ());
        $tally{$kind}[0]++;
        $tally{$kind}[1]++ if $status == 204 || $status == 200
            || $status == 401 || $status == 502;
    }
    $t->write_file("sender-$n", join '', map { "$_ @{$tally{$_}}\n" }
        sort keys %tally);
    return;
}
