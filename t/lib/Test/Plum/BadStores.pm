package Test::Plum::BadStores;

# Many stores at once, each with a way of its own to go wrong, and what holds
# for all of them: nothing is forwarded without a claim, the log says what is
# wrong and does not say it for each delivery, and when it is over deliveries
# get through, and no worker or descriptor has been lost.
#
#   my $bad = Test::Plum::BadStores->new(test => $t);
#   $bad->add(what => '-LOADING', status => 503, says => qr/LOADING/,
#       rules => [{reply => "-LOADING x\r\n", times => 0}]);
#   $bad->gateway;
#   $bad->run;
#
# A case, and its store, which is a fake Redis:
#   what     it is called
#   scheme   of the address ("redis"); tail: what follows its hosts
#   rules    of the fake, see Test::Plum::FakeRedis
#   good     rules that heal it: a list, or code that makes one of a fake
#   peer     rules of a second fake, healed likewise
#   others   true: the peer is a host of the address, too
#   status   the only right one for each delivery, or undef: 200 or 503
#   ends     with that status, however it began
#   says     regex of a line of the log that names the store
#   lines    of that store in the log, from warnings on, at most (8), and one
#            more for each connection that was made meanwhile
#
# %PORT% in rules is the port of the peer, or of the fake where there is none;
# in those of the peer, that of the fake.

use strict;
use warnings;

use Test::More ();
use Time::HiRes qw(sleep);

use Test::Plum::FakeRedis;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $ROUNDS = 8;


# %opt: test; scheme, tail, good: of all cases; location: what plum_idempotency
# has beyond the name; connections: of the worker

sub new {
    my ($class, %opt) = @_;

    my $self = bless {cases => [], %opt}, $class;
    $self->{redis} = Test::Plum::Redis->new(test => $opt{test});
    return $self;
}


sub fake {
    my ($self, $name) = @_;
    return $self->{fake}{$name} ||= Test::Plum::FakeRedis->new(
        test => $self->{test}, redis => $self->{redis}, name => $name);
}


sub add {
    my ($self, %case) = @_;

    my $n = @{$self->{cases}};
    %case = (scheme => 'redis', tail => '', good => [],
        map({ defined $self->{$_} ? ($_ => $self->{$_}) : () }
            qw(scheme tail good)), %case, store => "s$n");
    my $fake = $self->fake("fake$n");
    my $peer = $case{peer} ? $self->fake("peer$n") : $fake;

    my $good = ref $case{good} eq 'CODE' ? [$case{good}->($fake)]
        : $case{good};
    $case{fakes} = [[$fake, $good, _with_port($peer, $case{rules})],
        $case{peer} ? [$peer, $good, _with_port($fake, $case{peer})] : ()];
    $case{hosts} = join ',', map { '127.0.0.1:' . $_->port } $fake,
        $case{others} ? $peer : ();
    push @{$self->{cases}}, \%case;
    return;
}


sub _with_port {
    my ($fake, $rules) = @_;

    my $port = $fake->port;
    return [map { {%$_, defined $_->{reply}
        ? (reply => $_->{reply} =~ s/%PORT%/$port/gr) : ()} } @$rules];
}


# nginx starts, with more locations, and all stores are at work: their good
# state is that of now

sub gateway {
    my ($self, %locations) = @_;

    my $t = $self->{test};
    my @cases = @{$self->{cases}};
    my $more = $self->{location} || '';
    $self->_good;
    for my $case (@cases) {
        # what must get through does so on a host that is busy, too
        my $passes = grep { ($_ || 0) == 200 } @$case{qw(status ends)};
        $case->{line} = "plum_store $case->{store} $case->{scheme}://"
            . "$case->{hosts}$case->{tail} timeout="
            . ($passes ? '3s' : '500ms') . ";\n";
    }
    $t->gateway(
        default => 's0', connections => $self->{connections},
        stores => join('', map { $_->{line} } @cases),
        locations => {%locations, map { ("/$_->{store}" =>
            "plum_idempotency $_->{store} $more;") } @cases},
    );
    for my $case (@cases) {
        Test::More::ok($t->recovers("/$case->{store}", 3),
            "$case->{store} is at work")
            or die "$case->{what}: never good\n";
    }
    $self->{workers} = join ' ', $t->workers;
    $self->{descriptors} = $t->descriptors;
    return;
}


sub _good {
    my ($self) = @_;

    for my $case (@{$self->{cases}}) {
        $_->[0]->rules(@{$_->[1]}) for @{$case->{fakes}};
    }
    return;
}


# all cases at once; after a reload, where reload is true

sub run {
    my ($self, %opt) = @_;

    my $t = $self->{test};
    my @cases = @{$self->{cases}};
    my $log = length $t->error_log;
    for my $case (@cases) {
        $case->{$_} = [] for qw(keys statuses);
        $_->[0]->rules(@{$_->[2]}, @{$_->[1]}) for @{$case->{fakes}};
        $case->{connections} = _connections($case);
    }
    if ($opt{reload}) {
        Test::More::ok($t->reload, 'a reload');
        $self->{workers} = join ' ', $t->workers;
    }

    $t->{up}->forget;
    for (1 .. $ROUNDS) {
        $self->_deliver(@cases, @cases);
        sleep(0.05);
    }
    my $lines = substr $t->error_log, $log;
    $self->_judge($_, $lines) for @cases;
    $self->_heal(@cases);
    return;
}


sub _connections {
    my ($case) = @_;

    my $n = 0;
    $n += $_->[0]->connections for @{$case->{fakes}};
    return $n;
}


# all at the same time, an event each

sub _deliver {
    my ($self, @cases) = @_;

    my $t = $self->{test};
    my @clients;
    for my $case (@cases) {
        push @{$case->{keys}}, $t->next_key;
        push @clients, $t->start($case->{keys}[-1], "/$case->{store}");
    }
    push @{$_->{statuses}}, shift(@clients)->read_response->status
        for @cases;
    return;
}


sub _judge {
    my ($self, $case, $log) = @_;

    my $what = $case->{what};
    my @statuses = @{$case->{statuses}};
    my $only = $case->{status};
    Test::More::is(scalar(grep { defined $only ? $_ != $only
        : !/\A(?:200|503)\z/ } @statuses), 0,
        "$what: " . ($only || '200 or 503')) or Test::More::diag("@statuses");

    Test::More::is($statuses[-1], $case->{ends},
        "$what: in the end $case->{ends}") if $case->{ends};

    my %forwarded;
    $forwarded{$_}++ for map { $_->{body} =~ /"id":"([^"]+)"/ }
        $self->{test}{up}->requests;
    my @wrong = grep {
        ($forwarded{$case->{keys}[$_]} || 0) != ($statuses[$_] == 200)
    } 0 .. $#statuses;
    Test::More::is("@wrong", '', "$what: forwarded are those accepted");

    my @lines = grep { /"\Q$case->{store}\E"/ } split /\n/, $log;
    Test::More::ok((grep { $_ =~ $case->{says} } @lines),
        "$what: the log says so") or Test::More::diag(@lines)
        if $case->{says};
    @lines = grep { /\[(?:warn|error|crit)\]/ } @lines;
    my $most = defined $case->{lines} ? $case->{lines} : 8;
    $most += _connections($case) - $case->{connections};
    Test::More::cmp_ok(scalar @lines, '<=', $most,
        "$what: not a line for each delivery")
        or Test::More::diag(join "\n", @lines);
    return;
}


# it is over: each takes deliveries again

sub _heal {
    my ($self, @cases) = @_;

    my $t = $self->{test};
    $self->_good;
    my @left = @cases;
    poll_until(sub {
        $self->_deliver(@left);
        @left = grep { $_->{statuses}[-1] != 200 } @left;
        return !@left;
    }, 5);
    Test::More::is($_->{statuses}[-1], 200, "$_->{what}: a good delivery")
        for @cases;
    return $self->check('all together');
}


# no worker is lost, and no descriptor left

sub check {
    my ($self, $what) = @_;

    my $t = $self->{test};
    Test::More::ok(poll_until(sub {
        $t->descriptors <= $self->{descriptors} }, 5),
        "$what: no descriptor is left")
        or Test::More::diag($t->descriptors . " > $self->{descriptors}");
    Test::More::is(join(' ', $t->workers), $self->{workers},
        "$what: no worker was lost");
    return;
}


# a reply to CLUSTER SLOTS: [first slot, last, port], ...

sub slots {
    my (@ranges) = @_;

    return '*' . @ranges . "\r\n" . join '', map { sprintf
        "*3\r\n:%d\r\n:%d\r\n*2\r\n\$9\r\n127.0.0.1\r\n:%s\r\n", @$_ } @ranges;
}

1;
