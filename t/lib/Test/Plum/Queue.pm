package Test::Plum::Queue;

# Test::Plum for tests of a queue: a gateway whose location "/" accepts for
# the queue "orders", in a redis-server of its own, and a look into it.
#
#   my $t = Test::Plum::Queue->new;
#   my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
#   $t->gateway(consumers => ['deliver billing /deliver/billing;']);
#   $t->pause('billing');                    # nothing is delivered meanwhile
#   is($t->accept({id => 'a'})->status, 200, 'accepted');
#   my @entries = $t->entries('billing');    # {id => ..., k => ..., b => ...}

use strict;
use warnings;

use parent 'Test::Plum';

use Test::More ();
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';
my $DELIVER = 'plum_deliver; proxy_http_version 1.1; '
    . 'proxy_set_header Connection "";';
my $serial = 0;


# writes the configuration.  consumers: lines "deliver" and "publish"; queue:
# more lines of the block; store: its address; accept: parameters of
# plum_accept; lists, server, more, globals: lines of http, of the server, more
# locations; allow: of the location ("all"); deliver: what stands in each
# location of consumers; locations: what stands there besides, by URI, in place
# of the proxy_pass to "up"; of: another gateway, whose Redis and ports are used

sub gateway {
    my ($self, %opt) = @_;

    $self->configure(%opt);
    return $self->run;
}


sub configure {
    my ($self, %opt) = @_;

    if ($opt{of}) {
        $self->{redis} = $opt{of}{redis};
        $self->{up} = $opt{of}{up};
        $self->{ports}{$_} = $opt{of}{ports}{$_}
            for grep { $_ ne '0' } keys %{$opt{of}{ports}};
    }
    $self->{redis} ||= (grep { $_->isa('Test::Plum::Redis') }
        @{$self->{upstreams}})[0];
    $self->{up} ||= $self->upstream('up');
    $self->secret('plum', $SECRET);
    return $self->write_conf($self->conf_text(%opt));
}


sub conf_text {
    my ($self, %opt) = @_;

    my @consumers = @{$opt{consumers}};
    my %uri = map { m{^deliver\s+\S+\s+(/[^\s;]+)} ? ($1 => 1) : () }
        @consumers;
    my $deliver = join '', map { "location = $_ {\ninternal;\n"
        . ($opt{deliver} || $DELIVER) . "\n"
        . ($opt{locations}{$_} || 'proxy_pass http://127.0.0.1:%%PORT_up%%;')
        . "\naccess_log %%TESTDIR%%/deliver.log deliver;\n}\n" }
        sort keys %uri;
    my %text = (store => 'redis://127.0.0.1:%%PORT_redis%%', accept => '',
        queue => '', lists => '', server => '', more => '', allow => 'all',
        shards => '', type => 'type', http => '', globals => '', %opt);

    return <<"CONF";
%%GLOBALS%%
$text{globals}
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '\$uri \$status [\$plum_verdict] [\$plum_reason] '
                    '[\$plum_dedupe] [\$plum_key]';
    log_format deliver '\$uri \$status [\$plum_consumer] [\$plum_attempt] '
                       '[\$plum_delivery] [\$plum_key] [\$plum_event_type]';

    plum_secret plum %%TESTDIR%%/plum;
    plum_store events $text{store};
    plum_allowlist all_of_them { event_type $text{type}; allow **; }
    $text{lists}
    plum_queue orders {
        store events $text{shards};
        $text{queue}
        @consumers
    }
    $text{http}

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;
        plum_tls off;
        plum_signature github secret=plum;
        plum_allow $text{allow};
        plum_capture \$id id;
        plum_idempotency_key \$id;
        $text{server}

        location / { plum on; plum_accept orders $text{accept}; }
        $deliver
        $text{more}
    }
}
CONF
}


sub next_key { return sprintf 'e%d-%d', $$, ++$serial }


# a delivery; body: text, or a hash that becomes it (flat)

sub event {
    my ($self, $body, %opt) = @_;

    $body = '{' . join(',', map { qq("$_":"$body->{$_}") }
        sort keys %$body) . '}' if ref $body;
    return $self->signed(scheme => 'github', secret => $SECRET,
        uri => '/', body => $body, %opt);
}


sub accept {
    my ($self, $body, %opt) = @_;
    return $self->request($self->event($body, %opt));
}


# whether the access log has a line of that key that matches, which may come
# after the answer

sub logged {
    my ($self, $key, $regex) = @_;

    return poll_until(sub {
        return scalar grep { /\[\Q$key\E\]\z/ && $_ =~ $regex }
            split /\n/, $self->read_file('access.log');
    }, 3);
}


# likewise, again and again until it is: true if it was accepted

sub accepted {
    my ($self, $body, %opt) = @_;
    return poll_until(sub {
        return $self->accept($body, %opt)->status == 200;
    }, 20);
}


# a new event of this type is accepted, what the consumers got before is
# forgotten; its key

sub event_for {
    my ($self, $type) = @_;

    my $key = $self->next_key;
    $self->{up}->forget;
    Test::More::ok($self->accepted({id => $key, type => $type}), 'accepted');
    return $key;
}


# --- a look into Redis

sub redis { return $_[0]{redis} }

sub key {
    my ($self, $kind, $name, $tag) = @_;
    return 'plum:' . ($tag || '{orders}') . ":$kind:$name";
}


# what a stream holds, oldest first: hashes of the fields, with _id

sub entries {
    my ($self, $name, $kind, $tag) = @_;

    my $reply = $self->redis->command('XRANGE',
        $self->key($kind || 's', $name, $tag), '-', '+');
    return map { my ($id, $fields) = @$_; {_id => $id, @$fields} } @$reply;
}


sub pause {
    my ($self, $name, $tag) = @_;
    return $self->redis->command('HSET', $self->key('ctl', $name, $tag),
        paused => 'test', until => 0);
}


sub records {
    my ($self) = @_;
    return $self->redis->keys('plum:{*}:k:*');
}


sub resume {
    my ($self, $name, $tag) = @_;
    return $self->redis->command('HDEL', $self->key('ctl', $name, $tag),
        'paused', 'until');
}


# true when nothing waits for a consumer any more, neither taken nor not

sub empty {
    my ($self, $name, $seconds) = @_;
    return poll_until(sub { !$self->entries($name) }, $seconds || 10);
}


# the lines of the log of attempts, when there are n of them

sub attempts {
    my ($self, $n, $seconds) = @_;

    my @lines;
    poll_until(sub {
        @lines = split /\n/, $self->read_file('deliver.log');
        return @lines >= $n;
    }, $seconds || 10);
    return @lines;
}


# how the attempts of one key ended, when there are n of them:
# "attempt:status:end" each

sub ends {
    my ($self, $key, $n) = @_;

    my @lines;
    poll_until(sub {
        @lines = grep {/ \[\d+\] \[\w+\] \[\Q$key\E\] /}
            $self->attempts(1);
        return @lines >= $n;
    }, 20);
    return join ' ', map { / (\d+) \[\w+\] \[(\d+)\] \[(\w+)\]/
        ? "$2:$1:$3" : '?' } @lines;
}


# true as soon as a new event is accepted

sub recovers {
    my ($self, $seconds, %opt) = @_;
    return poll_until(sub {
        return $self->accept({id => next_key()}, %opt)->status == 200;
    }, $seconds || 10);
}


# lines of the error log that match

sub log_lines {
    my ($self, $regex) = @_;
    return grep { $_ =~ $regex } split /\n/, $self->error_log;
}

1;
