package Test::Plum::Senders;

# Senders that deliver events one after the other, some with copies, and
# retry each until it is acknowledged; and what became of the events.
#
#   my $load = Test::Plum::Senders->new(test => $t);
#   $redis->kill; ...
#   my $facts = $load->finish;
#   is($facts->{missing}, '', 'all that was acknowledged was forwarded');

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use Test::Plum::Process qw(spawn_sub reap poll_until);


# %opt:
#   test      a Test::Plum::Gateway; its upstream begins anew
#   others    more of them, to be used in turn
#   count     senders (3)
#   key       code that makes a key of a name ("s1-17"); by default it is that
#   patience  seconds to retry for once finish() is called (30)

sub new {
    my ($class, %opt) = @_;

    my $self = bless {count => 3, key => sub { $_[0] }, patience => 30, %opt},
        $class;
    my $t = $self->{test};
    $self->{run} = sprintf 'load%d-', ++$t->{loads};
    $self->{end} = $t->path("$self->{run}end");
    $t->{up}->forget;

    for my $n (1 .. $self->{count}) {
        push @{$self->{pids}}, spawn_sub(sub { srand $n; $self->_send($n) });
    }
    return $self;
}


sub _send {
    my ($self, $n) = @_;

    my @hosts = ($self->{test}, @{$self->{others} || []});
    open my $log, '>', $self->_log($n) or die $!;
    $log->autoflush(1);

    for (my $i = 1; !-e $self->{end}; $i++) {
        my $key = $self->{key}->("s$n-$i");
        my ($last, @seen);
        until (grep { $_ == 200 } @seen) {
            push @seen, _attempt($hosts[rand @hosts], $key);
            $last ||= time() + $self->{patience} if -e $self->{end};
            last if $last && time() > $last;
            sleep(0.01);
        }
        print $log "$key @seen\n";
    }
    return;
}


sub _log { return $_[0]{test}->path("$_[0]{run}$_[1]") }


# the status of each copy

sub _attempt {
    my ($host, $key) = @_;

    my @clients = map { $host->start($key) } 1 .. (rand() < 0.3 ? 3 : 1);
    return map { $_->connected ? $_->read_response->status : 0 } @clients;
}


# events acknowledged so far

sub acknowledged {
    my ($self) = @_;
    return scalar grep { / 200/ } $self->_lines;
}


# waits until so many more are

sub acknowledges {
    my ($self, $n) = @_;

    $n += $self->acknowledged;
    poll_until(sub { $self->acknowledged >= $n }, 10)
        or die "deliveries do not get through\n";
    return $self;
}


sub _lines {
    my ($self) = @_;
    return map { split /\n/, $self->{test}->read_file($self->_log($_)) }
        1 .. $self->{count};
}


# no more events; waits for the last of them:
#   events, retried   numbers
#   status            of all answers, "200 503"
#   given_up, missing, doubled   keys in one string: never acknowledged;
#                     acknowledged, not forwarded; forwarded more than once

sub finish {
    my ($self) = @_;

    $self->{test}->write_file($self->{end}, '');
    for my $pid (@{$self->{pids}}) {
        poll_until(sub { defined reap($pid) }, $self->{patience} + 12);
        die "a sender does not end\n" if (reap($pid) // -1) != 0;
    }

    my %forwards;
    for my $request ($self->{test}{up}->requests) {
        $forwards{$1}++ if $request->{body} =~ /"id":"(.*?)"/;
    }
    my %status;
    my (@given_up, @missing, @doubled);
    my @events = map { [split / /] } $self->_lines;
    for my $event (@events) {
        my ($key, @seen) = @$event;
        $status{$_}++ for @seen;
        push @given_up, $key if !grep { $_ == 200 } @seen;
        push @missing, $key
            if !$forwards{$key} && grep { $_ == 200 } @seen;
        push @doubled, $key if ($forwards{$key} || 0) > 1;
    }
    return {
        events => scalar @events, status => join(' ', sort keys %status),
        retried => scalar(grep { grep { $_ != 200 } @$_[1 .. $#$_] } @events),
        given_up => "@given_up", missing => "@missing",
        doubled => "@doubled",
    };
}

1;
