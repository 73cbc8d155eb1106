package Test::Plum::Gateway;

# Test::Plum for tests of a store: a gateway in front of the upstream "up",
# where the member "id" of a body is the key.
#
#   my $t = Test::Plum::Gateway->new(workers => 2);
#   $t->gateway(stores => 'plum_store events memory:1m;',
#       locations => {'/short' => 'plum_idempotency events lease=1s;'});
#   is($t->status($t->next_key), 200, 'accepted');

use strict;
use warnings;

use parent 'Test::Plum', 'Exporter';

use Digest::SHA qw(sha256_hex);

use Test::Plum::Process qw(poll_until);

our @EXPORT_OK = qw(stored);

my $SECRET = 'a secret of many bytes 0123456789';
my $SCOPE = 'gateway';
my $serial = 0;


# where the record of a key stands in Redis: the prefix, the owner (all
# locations of a gateway share a scope, so that tests can look at one event
# from several of them), and the key

sub stored {
    my ($key, $prefix) = @_;

    my $parts = join '', map { pack('Q>', length) . $_ } 'scope', $SCOPE;
    my $owner = '%o' . substr(sha256_hex($parts), 0, 16) . ':';
    return (defined $prefix ? $prefix : 'plum:') . $owner . $key;
}


sub _scoped {
    my ($text) = @_;

    return $text =~ s/(plum_idempotency\s+(?!off\b)\w+)/$1 scope=$SCOPE/gr;
}


# a host that is busy may not have an answer of Redis within the default time

sub _patient {
    my ($text) = @_;

    return $text =~ s/(\bplum_store\s+\w+\s+(?:redis|unix)[^;]*)/
        my $line = $1; $line =~ m{timeout=} ? $line : "$line timeout=3s"/gexr;
}


# writes the configuration and starts.  stores: plum_store lines; locations:
# what they have beyond "/"; http: more lines; default: plum_idempotency of
# the server ("events").  of: another gateway, whose ports are used;
# connections: of a worker

sub gateway {
    my ($self, %opt) = @_;

    if ($opt{of}) {
        $self->{up} = $opt{of}{up};
        $self->{ports}{$_} = $opt{of}{ports}{$_}
            for grep { $_ ne '0' } keys %{$opt{of}{ports}};
    }
    $self->{up} ||= $self->upstream('up');
    $self->secret('plum', $SECRET);

    my $locations = join '', map {
        "location $_ { plum on; " . _scoped($opt{locations}{$_}) . "\n"
        . "proxy_pass http://127.0.0.1:%%PORT_up%%; }\n"
    } sort keys %{$opt{locations} || {}};
    my $stores = _patient($opt{stores});
    my $default = _scoped('plum_idempotency ' . ($opt{default} || 'events'));
    my $more = $opt{http} || '';
    my $n = $opt{connections};
    my $events = $n ? "worker_rlimit_nofile @{[2 * $n]};\n"
        . "events { worker_connections $n; }" : 'events {}';

    $self->write_conf(<<"CONF");
%%GLOBALS%%
$events
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$uri \$status [\$plum_verdict] [\$plum_reason] '
                    '[\$plum_dedupe] [\$plum_key]';

    plum_secret plum %%TESTDIR%%/plum;
    $stores
    $more

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;
        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture \$id id;
        $default;
        plum_idempotency_key \$id;
        add_header X-Worker \$pid always;

        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        $locations
    }
}
CONF
    return $self->run;
}


sub next_key { return sprintf 'e%d-%d', $$, ++$serial }


sub event {
    my ($self, $key, $uri) = @_;
    return $self->signed(scheme => 'github', secret => $SECRET,
        uri => $uri || '/', body => qq({"id":"$key"}));
}


# delivers one event: the answer, or its status

sub send_event {
    my ($self, $key, $uri) = @_;
    return $self->request($self->event($key, $uri));
}


sub status {
    my ($self, $key, $uri) = @_;
    return $self->send_event($key, $uri)->status;
}


# sent, but not waited for: the client, to read from

sub start {
    my ($self, $key, $uri) = @_;

    my $client = $self->client(0);
    $client->request($self->event($key, $uri), no_read => 1);
    return $client;
}


# true as soon as a delivery of a new event is accepted

sub recovers {
    my ($self, $uri, $seconds) = @_;
    return poll_until(sub {
        return $self->status(next_key(), $uri) == 200;
    }, $seconds || 10);
}


# likewise by each worker; with a key: of that event; with a status: it is that
# one

sub all_recover {
    my ($self, $uri, $key, $status) = @_;

    my %last;
    $status ||= 200;
    return poll_until(sub {
        my @clients = map { $self->start(defined $key ? $key : next_key(),
            $uri) } 1 .. 8;
        for my $answer (map { $_->read_response } @clients) {
            $last{$answer->header('x-worker') || 0} = $answer->status;
        }
        return !grep { ($last{$_} || 0) != $status } $self->workers;
    }, 8);
}


# how many requests reached the upstream while code ran; with a key, or a regex
# of keys: of that event, or those

sub forwards {
    my ($self, $code, $key) = @_;

    $self->{up}->forget;
    $code->();
    $key = qr/\Q$key\E/ if defined $key && !ref $key;
    return scalar grep { !defined $key || $_->{body} =~ /"(?:$key)"/ }
        $self->{up}->requests;
}


# open descriptors of all workers

sub descriptors {
    my ($self) = @_;

    my $n = 0;
    for my $pid ($self->workers(all => 1)) {
        my @open = glob "/proc/$pid/fd/*";
        $n += @open;
    }
    return $n;
}


# runs code while a delivery is under way that the upstream answers after so
# many seconds: true if that one still waits when the code has ended.  The
# gateway needs a location "/control", best with "plum_idempotency off;"

sub sooner {
    my ($self, $seconds, $code) = @_;

    my $up = $self->{up};
    my $before = $up->count('/control');
    $up->on('/control', delay => $seconds);
    my $control = $self->start(next_key(), '/control');
    poll_until(sub { $up->count('/control') > $before }, 5);
    $up->on('/control');
    $code->();
    my $waits = $control->read_raw(0) eq '';
    $control->close;
    return $waits;
}


# lines of the error log with that level that match

sub log_lines {
    my ($self, $regex) = @_;
    return grep { $_ =~ $regex } split /\n/, $self->error_log;
}


# an instance beside the one that ends the test: true if all was well

sub finish {
    my ($self) = @_;

    my $left = $self->quit;
    my @bad = $self->damage;
    Test::More::diag("$_") for @bad;
    return $left && !@bad;
}

1;
