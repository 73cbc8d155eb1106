package Test::Plum::QueueStorm;

# Senders that post events to an accepting location until each of them was
# answered with 200, as Plum does, while a test kills what it likes; and what
# became of the events.
#
#   my $t = Test::Plum::Queue->new(workers => 2);
#   my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
#   $t->gateway(Test::Plum::QueueStorm->setting);
#   my $storm = Test::Plum::QueueStorm->new(test => $t);
#   while ($storm->rages) { $storm->strike(sub { $t->kill_worker }) }
#   $storm->judge;
#
# There are two consumers, billing and crm.  Both deliver to the upstream "up",
# each by a path of its own.  PLUM_STORM_SECONDS says how long the storm takes
# at least; it goes on until there were some kills, and some events accepted.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);

use Test::Plum::Process qw(spawn_sub reap poll_until);

my @CONSUMERS = qw(billing crm);
my $CONCURRENCY = 8;        # of each consumer on each host
my $PATIENCE = 20;          # seconds for the last events
my $SECONDS = $ENV{PLUM_STORM_SECONDS} || 6;
my ($KILLS, $EVENTS) = (2, 100);


# what the configuration must have, for gateway(); more settings may follow

sub setting {
    my ($class, %more) = @_;

    return (
        consumers => [map {"deliver $_ /deliver/$_;"} @CONSUMERS],
        store => 'redis://127.0.0.1:%%PORT_redis%% timeout=2s',
        deliver => "plum_deliver concurrency=$CONCURRENCY "
            . 'retry=50ms,100ms,200ms,400ms,800ms,1s,1500ms,2s,3s,4s,5s '
            . 'breaker=5:200ms; proxy_http_version 1.1; '
            . 'proxy_set_header Connection "";',
        %more,
    );
}


# %opt:
#   test     the Test::Plum::Queue that accepts; its upstream begins anew
#   others   more of them, with the same Redis
#   senders  how many (4)
#   redis    code that gives the redis-server that has the queue ($t->redis)
#   answered 1: the consumer has an event only where the gateway has seen its
#            answer, for consumers that die.  Otherwise it has what it has
#            written down, for gateways that die
#   lags     1: redis may forget that an event was delivered, as a replica that
#            is promoted does; so doubles are printed only

sub new {
    my ($class, %opt) = @_;

    my $self = bless {senders => 4, others => [], kills => 0, lapses => 0,
        until => time() + $SECONDS, %opt}, $class;
    my $t = $self->{test};
    $self->{end} = $t->path('storm-end');
    $self->{redis} ||= sub { $t->redis };
    $self->{seed} = $ENV{PLUM_STORM_SEED} || int rand 1e6;
    note("PLUM_STORM_SEED=$self->{seed}");
    srand $self->{seed};

    $t->{up}->forget;
    for my $n (1 .. $self->{senders}) {
        push @{$self->{pids}}, spawn_sub(sub {
            srand $self->{seed} + $n;
            $self->_send($n);
        });
    }
    return $self;
}


# --- the senders

# one event after the other, at times with copies at once or later.  A line of
# the log is a key that was answered with 200; each other answer must be one
# after which Plum comes again

sub _send {
    my ($self, $n) = @_;

    open my $log, '>', $self->_log($n) or die $!;
    $log->autoflush(1);

    for (my $i = 1; !-e $self->{end}; $i++) {
        my $key = "s$n-$i";
        my $tries = 0;
        my $ok = poll_until(sub {
            $tries++;
            return $self->_attempt($key, rand() < 0.2 ? 3 : 1);
        }, $PATIENCE);
        print $log "$key $tries ", $ok ? 'accepted' : 'given up', "\n";
        $self->_attempt($key, 1) if rand() < 0.1;
    }
    return;
}


sub _log { return $_[0]{test}->path("storm-$_[1]") }


sub _attempt {
    my ($self, $key, $copies) = @_;

    my @hosts = ($self->{test}, @{$self->{others}});
    my @clients = map {
        my $host = $hosts[rand @hosts];
        my $client = $host->client(0);
        $client->request($host->event({id => $key}), no_read => 1);
        $client;
    } 1 .. $copies;
    my @answers = map { $_->connected ? $_->read_response->status : 0 }
        @clients;
    my @odd = grep { !/\A(?:0|200|503)\z/ } @answers;
    die "answers: @answers\n" if @odd;
    return grep { $_ == 200 } @answers;
}


# --- what the test does

sub rages {
    my ($self) = @_;

    return time() < $self->{until} || $self->{kills} < $KILLS
        || $self->_lines < $EVENTS;
}


# what the senders have written

sub _lines {
    my ($self) = @_;
    return map { split /\n/, $self->{test}->read_file($self->_log($_)) }
        1 .. $self->{senders};
}


# calls code that kills something, after a while: while events are delivered,
# or, each other time, while they wait; code is told which

sub strike {
    my ($self, $code) = @_;

    my $paused = $self->{kills}++ % 2;
    $self->_paused(1) if $paused;
    sleep(0.2 + rand 0.5);
    $code->($paused);
    $self->_paused(0) if $paused;
    return;
}


sub _paused {
    my ($self, $yes) = @_;

    for my $ctl (map { $self->{test}->key('ctl', $_) } @CONSUMERS) {
        $self->{redis}->()->command($yes
            ? ('HSET', $ctl, 'paused', 'test', 'until', 0)
            : ('HDEL', $ctl, 'paused', 'until'));
    }
    return;
}


# the leases of what was in flight last for 30 seconds: they end now, for the
# entries of workers that are dead

sub leases_end {
    my ($self) = @_;

    my $t = $self->{test};
    my $redis = $self->{redis}->();
    for my $leases (map { $t->key('lease', $_) } @CONSUMERS) {
        $redis->command('ZADD', $leases, 'XX', 1, $_)
            for @{$redis->command('ZRANGE', $leases, 0, -1)};
    }
    $self->{lapses}++;
    return;
}


# --- the judgement

# waits until the senders have ended and nothing waits any more

sub _calm {
    my ($self) = @_;

    $self->{test}->write_file($self->{end}, '');
    for my $pid (@{$self->{pids}}) {
        poll_until(sub { defined reap($pid) }, $PATIENCE + 5);
        is(reap($pid), 0, 'a sender has finished');
    }

    my ($left, $since) = (-1, time());
    my $calm = poll_until(sub {
        my $now = $self->_waiting;
        if ($now != $left) {
            ($left, $since) = ($now, time());
        } elsif ($now && time() > $since + 3) {
            $self->leases_end;
            $since = time();
        }
        return $now == 0;
    }, 20);
    ok($calm, 'in the end nothing waits');
    return;
}


sub _waiting {
    my ($self) = @_;

    my $redis = $self->{redis}->();
    my $n = 0;
    $n += $redis->command('XLEN', $self->{test}->key('s', $_))
        for @CONSUMERS;
    return $n;
}


# by consumer and key: how often the consumer has got the event

sub _delivered {
    my ($self) = @_;

    my %times;
    for my $request ($self->{test}{up}->requests) {
        my ($name) = $request->{uri} =~ m{([a-z]+)\z};
        my ($key) = ($request->{body} || '') =~ /"id":"(.*?)"/ or next;
        $times{$name}{$key}++ if $request->{whole};
    }
    return %times if !$self->{answered};

    my %answered = map { / \[(\w+)\] \[\d+\] \[delivered\] \[([^\]]+)\]/
        ? ("$1 $2" => 1) : () } map { $_->attempts(0) } $self->{test},
        @{$self->{others}};
    for my $name (@CONSUMERS) {
        delete @{$times{$name}}{grep { !$answered{"$name $_"} }
            keys %{$times{$name}}};
    }
    return %times;
}


sub _dead {
    my ($self, $name) = @_;

    my $dead = $self->{redis}->()->command('XRANGE',
        $self->{test}->key('dead', $name), '-', '+');
    return map { my %fields = @{$_->[1]}; ($fields{k} => 1) } @$dead;
}


# every event that was answered with 200 has been delivered to both consumers,
# or is a dead letter; and events that were delivered more than once are not
# more than were in flight when something was killed, or given up here, unless
# redis lags

sub judge {
    my ($self) = @_;

    $self->_calm;
    my @lines = $self->_lines;
    my @accepted = map { /(\S+) \d+ accepted/ ? $1 : () } @lines;
    my $retried = grep { /\S+ (\d+) / && $1 > 1 } @lines;
    my %delivered = $self->_delivered;
    is(join(' ', grep {/given up/} @lines), '', 'every event was accepted');

    my ($doubles, $dead) = (0, 0);
    for my $name (@CONSUMERS) {
        my %dead = $self->_dead($name);
        my %got = %{$delivered{$name} || {}};
        is(join(' ', grep { !$got{$_} && !$dead{$_} } @accepted), '',
            "$name: nothing that was accepted is missing");
        $doubles += $_ - 1 for values %got;
        $dead += keys %dead;
    }

    my $hosts = 1 + @{$self->{others}};
    my $excused = ($self->{kills} + $self->{lapses}) * $CONCURRENCY
        * @CONSUMERS * $hosts;
    note(sprintf '%d events accepted, %d of them at a later attempt; '
        . '%d kills, %d dead letters, %d delivered twice',
        scalar @accepted, $retried, $self->{kills}, $dead, $doubles);
    cmp_ok($doubles, '<=', $excused,
        "$doubles delivered twice, $self->{kills} kills") if !$self->{lags};
    ok($self->{test}->recovers(20), 'a good delivery after the storm');
    return;
}

1;
