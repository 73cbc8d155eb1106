package Plum::Policy::Facts;

# The one table of facts: of each, what it is, when it is weak, and which of
# two values is looser.  A row:
#
#   id      its name, for tests and for --json
#   of      whom it is about: gate, signature, consumer, store; or a status
#           page, which stands where a gate does
#   say     how people call it
#   get     its value: a text, a number, or an array, which is a set; undef:
#           the subject has no such fact
#   order   which value is looser, see %ORDER; else: they are only different
#   ranks   for "rank": from tight to loose
#   weak    [level, text], or several of them, each with a place of its own
#           behind the text; nothing if all is well.  Levels are "weak", and
#           "note": no weakening, but worth a look
#   at      the place that is named (default: of "plum on")
#
# get, weak and at are called with the subject and its gate; weak gets the
# value first.

use strict;
use warnings;

use Exporter qw(import);

use Plum::Policy ();
use Plum::Policy::Order qw(looser);
use Plum::Policy::Paths qw(leaves leaves_to pseudonyms);

our @EXPORT_OK = qw(rows compare findings credential where_to ms);

my $LONG = 900;             # seconds of tolerance=
my $BRIEF = 3600 * 1000;    # ms of retention=
my $MANY = 2;               # live secrets of one name: a rotation
my @SIMPLE = qw(text/plain application/x-www-form-urlencoded);


my @ROWS = (

    # --- who may call

    {id => 'mode', of => 'gate', say => 'plum_mode',
        get => sub { $_[0]{mode}{value} }, at => sub { $_[0]{mode}{at} },
        order => 'rank', ranks => [qw(enforce observe)],
        weak => sub { $_[0] eq 'observe'
            ? ['weak', 'plum_mode observe: nothing is refused or stripped']
            : () }},
    {id => 'tls_minimum', of => 'gate', say => 'TLS demanded',
        get => sub { $_[0]{tls}{minimum} }, at => sub { $_[0]{tls}{at} },
        order => 'rank', ranks => [qw(TLSv1.3 TLSv1.2 off)],
        weak => sub {
            my ($value, $gate) = @_;
            return if $value ne 'off';
            my $public = grep { !$_->{loopback} } @{$gate->{listens}};
            return [$public ? 'weak' : 'note', 'plum_tls off: deliveries may '
                . 'come without TLS'];
        }},
    {id => 'tls_version', of => 'gate', say => 'whose TLS is looked at',
        get => sub { $_[0]{tls}{version} // 'connection' },
        at => sub { $_[0]{tls}{at} }, order => 'trust',
        weak => sub { $_[0] eq 'connection' ? ()
            : ['note', "plum_tls believes $_[0], not the connection"] }},
    {id => 'client_certificate', of => 'gate',
        say => 'client certificate demanded',
        get => sub { $_[0]{tls}{client_certificate} // 'none' },
        at => sub { $_[0]{tls}{at} }, order => 'trust',
        weak => sub { $_[0] =~ /\A\$/ && $_[0] ne '$ssl_client_verify'
            ? ['note', "plum_tls believes $_[0] of the client certificate"]
            : () }},
    {id => 'ssl_protocols', of => 'gate', say => 'ssl_protocols of the server',
        get => sub { (grep { $_->{tls} } @{$_[0]{listens}})
            ? $_[0]{ssl}{protocols} : [] },
        at => sub { $_[0]{server_at} }, order => 'more',
        weak => sub {
            my @old = grep { !/\ATLSv1\.[23]\z/ } @{$_[0]};
            return @old ? ['weak', "the server allows @old"] : ();
        }},
    {id => 'listen', of => 'gate', say => 'addresses of the server',
        get => sub { [map { $_->{address} . ($_->{tls} ? ' (TLS)' : '') }
            @{$_[0]{listens}}] },
        at => sub { $_[0]{server_at} }, order => 'more'},
    {id => 'internal', of => 'gate', say => 'only for internal redirects',
        get => sub { $_[0]{internal} ? 'yes' : 'no' },
        at => sub { $_[0]{location_at} },
        order => 'rank', ranks => [qw(yes no)]},
    {id => 'access', of => 'gate', say => 'allow and deny',
        get => sub { $_[0]{access}{rules} },
        at => sub { $_[0]{location_at} }, order => 'access',
        weak => sub {
            my ($rules, $gate) = @_;
            return if @$rules && !(grep { m{\Aallow (?:0\.0\.0\.0|::)/0\z} }
                @$rules);
            return if $gate->{tls}{client_certificate}
                || grep { $_->{kind} eq 'mac' } @{$gate->{signatures}};
            return ['note', 'any address may call, and the credential is the '
                . 'same in each delivery: name the sender\'s by "allow"'];
        }},
    {id => 'access_satisfy', of => 'gate', say => 'satisfy',
        get => sub { $_[0]{access}{satisfy} },
        at => sub { $_[0]{location_at} },
        order => 'rank', ranks => [qw(all any)],
        weak => sub { $_[0] eq 'any' ? ['note', 'satisfy any: addresses or '
            . 'authentication of NGINX, not both'] : () }},
    {id => 'auth_basic', of => 'gate', say => 'auth_basic',
        get => sub { $_[0]{access}{auth_basic} ? 'on' : 'off' },
        at => sub { $_[0]{location_at} },
        order => 'rank', ranks => [qw(on off)]},
    {id => 'auth_request', of => 'gate', say => 'auth_request',
        get => sub { $_[0]{access}{auth_request} // 'none' },
        at => sub { $_[0]{location_at} }, order => 'any_or_none'},
    {id => 'limit_req', of => 'gate', say => 'limits of limit_req',
        get => sub { $_[0]{access}{limit_req} },
        at => sub { $_[0]{location_at} }, order => 'smaller'},
    {id => 'limit_conn', of => 'gate', say => 'limits of limit_conn',
        get => sub { $_[0]{access}{limit_conn} },
        at => sub { $_[0]{location_at} }, order => 'smaller'},
    {id => 'types', of => 'gate', say => 'plum_types',
        get => sub { $_[0]{types}{value} }, at => sub { $_[0]{types}{at} },
        order => 'more',
        weak => sub {
            my %type = map { $_ => 1 } @{$_[0]};
            my @found = grep { $type{$_} } @SIMPLE;
            return @found ? ['note', "plum_types has @found, which a web page "
                . 'can make any browser send'] : ();
        }},
    {id => 'max_body', of => 'gate', say => 'largest body, in bytes',
        get => sub { $_[0]{max_body}{value} },
        at => sub { $_[0]{max_body}{at} }, order => 'larger'},

    # --- how it proves itself

    {id => 'satisfy', of => 'gate', say => 'plum_satisfy',
        get => sub { @{$_[0]{signatures}} > 1 ? $_[0]{satisfy}{value}
            : 'all' },
        at => sub { $_[0]{satisfy}{at} },
        order => 'rank', ranks => [qw(all any)],
        weak => sub { $_[0] eq 'any' ? ['weak', 'plum_satisfy any: the '
            . 'weakest line of plum_signature is enough'] : () }},
    {id => 'signatures_all', of => 'gate',
        say => 'lines of plum_signature, each must hold',
        get => sub { $_[0]{satisfy}{value} eq 'all' || @{$_[0]{signatures}} < 2
            ? [map { credential($_) } @{$_[0]{signatures}}] : undef },
        order => 'fewer',
        weak => sub {
            my ($value, $gate) = @_;
            my @signatures = @{$gate->{signatures}};
            return if grep { $_->{kind} eq 'mac' } @signatures;
            return ['note', 'static credential only: nothing binds it to the '
                . 'body or to the time', $signatures[0]{at}];
        }},
    {id => 'signatures_any', of => 'gate',
        say => 'lines of plum_signature, one is enough',
        get => sub { $_[0]{satisfy}{value} eq 'any' && @{$_[0]{signatures}} > 1
            ? [map { credential($_) } @{$_[0]{signatures}}] : undef },
        order => 'more'},
    {id => 'algorithm', of => 'signature', say => 'algorithm',
        get => sub { $_[0]{algorithm} }, at => sub { $_[0]{at} },
        order => 'rank', ranks => [qw(sha512 sha384 sha256)]},
    {id => 'tolerance', of => 'signature', say => 'tolerance, in seconds',
        get => sub { $_[0]{kind} ne 'mac' ? undef
            : $_[0]{timestamp} ? $_[0]{tolerance} // 'off' : 'no timestamp' },
        at => sub { $_[0]{at} }, order => 'larger',
        weak => sub {
            my ($value, $one, $gate) = @_;
            return ['weak', 'tolerance=off: a recorded delivery stays fresh']
                if $value eq 'off';
            return ['note', "$one->{scheme} signs no timestamp: a recorded "
                . 'delivery stays good' . ($gate->{dedupe} || $gate->{accept}
                ? ', once it is forgotten' : '')] if $value !~ /\A\d+\z/;
            return $value > $LONG ? ['weak', "tolerance=${value}s: a recorded "
                . 'delivery stays fresh for long'] : ();
        }},
    {id => 'covers', of => 'signature', say => 'what it signs',
        get => sub { $_[0]{covers} }, at => sub { $_[0]{at} },
        order => 'fewer'},
    {id => 'spelling', of => 'signature', say => 'how it is spelt',
        get => sub { $_[0]{kind} ne 'mac' ? undef : join ', ',
            "$_[0]{format}, prefix \"$_[0]{prefix}\", $_[0]{content}",
            $_[0]{id} ? "id $_[0]{id}" : (), $_[0]{timestamp}
            ? "time $_[0]{timestamp}{from}:$_[0]{timestamp}{name}" : () },
        at => sub { $_[0]{at} }},
    {id => 'secrets', of => 'signature', say => 'live secrets',
        get => sub { $_[0]{secrets} }, at => sub { $_[0]{at} },
        order => 'more',
        weak => sub { @{$_[0]} > $MANY ? ['note', scalar @{$_[0]}
            . " secrets \"$_[1]{secret}\" are live"] : () }},
    {id => 'short_secrets', of => 'signature', say => 'short secrets',
        get => sub { [map { $_->{label} } grep { $_->{short} }
            @{$_[0]{live}}] },
        at => sub { $_[0]{at} }, order => 'more',
        weak => sub { map { ['weak', "secret $_->{label} has fewer than 16 "
            . 'bytes', $_->{at}] } grep { $_->{short} } @{$_[1]{live}} }},
    {id => 'fingerprints', of => 'signature', say => 'fingerprints of secrets',
        get => sub { join ', ', map { "$_->{label} "
            . ($_->{fingerprint} // 'none') } @{$_[0]{live}} },
        at => sub { $_[0]{at} }},

    # --- what may leave

    {id => 'event_type', of => 'gate', say => 'where the event type stands',
        get => sub { my $type = $_[0]{list}{event_type};
            $type ? "$type->{from} $type->{name}" : 'nowhere' },
        at => sub { $_[0]{list}{at} }},
    {id => 'unlisted', of => 'gate', say => 'events of unlisted types',
        get => sub { $_[0]{list}{unlisted} }, at => sub { $_[0]{list}{at} },
        order => 'rank', ranks => [qw(refuse acknowledge)],
        weak => sub { $_[0] eq 'acknowledge' ? ['note', 'unlisted acknowledge:'
            . ' the sender is told that an unknown event was taken'] : () }},
    {id => 'leaves', of => 'gate', say => 'what may leave',
        get => sub { leaves($_[0]) }, at => sub { $_[0]{allow}{at} },
        order => 'paths',
        weak => sub {
            my ($value, $gate) = @_;
            my $list = $gate->{list};
            my @found;
            for my $rule (@{$list->{allow}}) {
                my @steps = @{$rule->{steps}};
                my $at = $rule->{at} // $gate->{allow}{at};
                push @found, $steps[0] eq '**'
                    ? ['weak', "allowlist $list->{name} lets the whole body "
                        . 'through', $at]
                    : (grep { /\A\*\*?\z/ } @steps)
                    ? ['note', "$rule->{path} lets fields through that nobody "
                        . 'has seen yet', $at] : ();
            }
            return @found;
        }},
    {id => 'pseudonyms', of => 'gate', say => 'what leaves as a pseudonym',
        get => sub { pseudonyms($_[0]{list}) }, at => sub { $_[0]{allow}{at} },
        order => 'more'},
    {id => 'gets', of => 'consumer', say => 'what it gets',
        get => sub { leaves_to($_[1], $_[0]) }, at => sub { $_[0]{at} },
        order => 'paths'},
    {id => 'gets_pseudonyms', of => 'consumer',
        say => 'what it gets as a pseudonym',
        get => sub { pseudonyms($_[0]{own}) }, at => sub { $_[0]{at} },
        order => 'more'},

    # --- how often

    {id => 'dedupe', of => 'gate', say => 'duplicates are known',
        get => sub { $_[0]{dedupe} || $_[0]{accept} ? 'yes' : 'no' },
        at => sub { ($_[0]{dedupe} || $_[0]{accept} || {})->{at}
            // $_[0]{dedupe_at} // $_[0]{at} },
        order => 'rank', ranks => [qw(yes no)],
        weak => sub { $_[0] eq 'no' ? ['weak', 'plum_idempotency is off: '
            . 'copies and replays are forwarded'] : () }},
    {id => 'key', of => 'gate', say => 'idempotency key',
        get => sub { $_[0]{key} && join ' ', @{$_[0]{key}{value}} },
        at => sub { $_[0]{key}{at} }},
    {id => 'scope', of => 'gate', say => 'whose records they are',
        get => sub { $_[0]{dedupe} && ($_[0]{dedupe}{scope} // 'its own') },
        at => sub { $_[0]{dedupe}{at} }, order => 'scope',
        weak => sub { $_[0] ne 'its own' ? ['note', "scope=$_[0]: every gate "
            . 'with this word can use up the keys of the others'] : () }},
    {id => 'retention', of => 'gate', say => 'retention, in ms',
        get => sub { ($_[0]{dedupe} || $_[0]{accept} || {})->{retention} },
        at => sub { ($_[0]{dedupe} || $_[0]{accept})->{at} },
        order => 'smaller',
        weak => sub { $_[0] < $BRIEF ? ['weak', 'retention=' . ms($_[0])
            . ': a copy that comes later is forwarded'] : () }},
    {id => 'lease', of => 'gate', say => 'lease, in ms',
        get => sub { $_[0]{dedupe} && $_[0]{dedupe}{lease} },
        at => sub { $_[0]{dedupe}{at} }},
    {id => 'in_flight', of => 'gate', say => 'a copy waits, in ms',
        get => sub { $_[0]{dedupe} && $_[0]{dedupe}{wait} },
        at => sub { $_[0]{dedupe}{at} }},
    {id => 'in_doubt', of => 'gate', say => 'in_doubt',
        get => sub { $_[0]{dedupe} && $_[0]{dedupe}{in_doubt} },
        at => sub { $_[0]{dedupe}{at} },
        order => 'rank', ranks => [qw(hold release)]},
    {id => 'unavailable', of => 'gate', say => 'when the store is down',
        get => sub { ($_[0]{dedupe} || $_[0]{accept} || {})->{unavailable} },
        at => sub { ($_[0]{dedupe} || $_[0]{accept})->{at} },
        order => 'rank', ranks => [qw(refuse forward)],
        weak => sub { $_[0] eq 'forward' ? ['weak', 'unavailable=forward: '
            . 'while the store is down, copies and replays are forwarded']
            : () }},
    {id => 'success', of => 'gate', say => 'answers that are a success',
        get => sub { $_[0]{dedupe} && $_[0]{dedupe}{success} },
        at => sub { $_[0]{dedupe}{at} }, order => 'more'},
    {id => 'answer', of => 'gate', say => 'bytes of a kept answer',
        get => sub { $_[0]{dedupe} && $_[0]{dedupe}{answer} },
        at => sub { $_[0]{dedupe}{at} }},
    {id => 'replicas', of => 'gate', say => 'replicas that must have a record',
        get => sub { $_[0]{dedupe} && $_[0]{dedupe}{replicas} },
        at => sub { $_[0]{dedupe}{at} }, order => 'smaller'},

    {id => 'store', of => 'store', say => 'where the records are',
        get => sub { $_[0]{kind} eq 'memory' ? 'memory of one host'
            : "redis, $_[0]{topology}: " . join ', ', @{$_[0]{hosts}},
            "prefix $_[0]{prefix}" },
        at => sub { $_[0]{at} }},
    {id => 'store_tls', of => 'store', say => 'the way to it is protected',
        get => sub { $_[0]{kind} eq 'memory' || $_[0]{local} || $_[0]{tls}
            ? 'yes' : 'no' },
        at => sub { $_[0]{at} }, order => 'rank', ranks => [qw(yes no)],
        weak => sub { $_[0] eq 'no' ? ['weak', "store $_[1]{name} is asked "
            . 'without TLS, on another host: write "rediss"'] : () }},
    {id => 'store_password', of => 'store', say => 'it wants a password',
        get => sub { $_[0]{kind} eq 'memory' || $_[0]{local} || $_[0]{password}
            || $_[0]{certificate} ? 'yes' : 'no' },
        at => sub { $_[0]{at} }, order => 'rank', ranks => [qw(yes no)],
        weak => sub { $_[0] eq 'no' ? ['weak', 'store '
            . "$_[1]{name} is on another host, and has neither "
            . 'password_file= nor certificate='] : () }},

    # --- where it goes

    {id => 'target', of => 'gate', say => 'where it goes',
        get => sub { $_[0]{accept} ? "queue $_[0]{accept}{queue}"
            : where_to($_[0]{target}) },
        at => sub { $_[0]{location_at} }},
    {id => 'beside', of => 'gate', say => 'other ways to the same place',
        get => sub { [map { Plum::Policy::place($_) } grep { !$_->{internal} }
            @{$_[0]{beside}}] },
        order => 'more',
        weak => sub { map { [$_->{internal} ? 'note' : 'weak',
            'location ' . Plum::Policy::place($_) . ' leads to the same place '
            . 'without the gate', $_->{location_at}] } @{$_[1]{beside}} }},
    {id => 'accepted', of => 'gate', say => 'when an event is accepted',
        get => sub { $_[0]{queue} && $_[0]{queue}{accepted} },
        at => sub { $_[0]{queue}{accepted_at} // $_[0]{queue}{at} },
        order => 'durable',
        weak => sub {
            my ($value) = @_;
            return ['note', "accepted $value: replicas have it, perhaps not "
                . 'on disk'] if $value =~ /\Areplicas/;
            return $value eq 'fsync' ? () : ['weak', "accepted $value: a loss "
                . 'of power loses events that were acknowledged'];
        }},
    {id => 'consumers', of => 'gate', say => 'consumers of the queue',
        get => sub { $_[0]{queue}
            && [map { $_->{name} } @{$_[0]{queue}{consumers}}] },
        at => sub { $_[0]{queue}{at} }, order => 'more'},
    {id => 'full', of => 'consumer', say => 'when its queue is full',
        get => sub { $_[0]{full} }, at => sub { $_[0]{at} },
        order => 'rank', ranks => [qw(refuse drop)],
        weak => sub { $_[0] eq 'drop' ? ['weak', "full=drop: consumer "
            . "$_[1]{name} misses events that were acknowledged"] : () }},
    {id => 'keep', of => 'consumer', say => 'how long it is readable, in ms',
        get => sub { defined $_[0]{keep} ? $_[0]{keep} || 'for ever'
            : undef },
        at => sub { $_[0]{at} }, order => 'larger'},
    {id => 'groups', of => 'consumer', say => 'readers that are waited for',
        get => sub { $_[0]{groups} }, at => sub { $_[0]{at} },
        order => 'fewer'},
    {id => 'delivered_to', of => 'consumer', say => 'where it is delivered',
        get => sub { $_[0]{deliver} && where_to($_[0]{deliver}{target}) },
        at => sub { $_[0]{deliver}{location_at} }},
    {id => 'sign', of => 'consumer', say => 'plum_sign, by which secret',
        get => sub { $_[0]{deliver} && ($_[0]{deliver}{sign} // 'none') },
        at => sub { $_[0]{deliver}{sign_at} // $_[0]{deliver}{location_at} },
        order => 'any_or_none'},

    # --- the status page

    {id => 'status_page', of => 'page', say => 'who may read it',
        get => sub { open_page($_[0]) ? 'everybody' : 'some' },
        at => sub { $_[0]{location_at} },
        order => 'rank', ranks => [qw(some everybody)],
        weak => sub { $_[0] eq 'everybody' ? ['weak', 'plum_status for '
            . 'everybody: give it a listen of its own, or "allow" and "deny"']
            : () }},

    # --- answers

    {id => 'ack', of => 'gate', say => 'plum_ack',
        get => sub { $_[0]{ack}{value} }, at => sub { $_[0]{ack}{at} },
        order => 'ack',
        weak => sub { $_[0] eq 'off' ? ['weak', 'plum_ack off: the sender '
            . 'sees the answers of the upstream'] : () }},
    {id => 'acks', of => 'gate', say => 'plum_ack off for some types',
        get => sub { [map { @{$_->{for}} } grep { $_->{value} eq 'off' }
            @{$_[0]{acks}}] },
        at => sub { @{$_[0]{acks}} ? $_[0]{acks}[0]{at} : $_[0]{ack}{at} },
        order => 'more',
        weak => sub { map { ['note', 'plum_ack off for '
            . join(', ', @{$_->{for}}), $_->{at}] }
            grep { $_->{value} eq 'off' } @{$_[1]{acks}} }},
    {id => 'refuse', of => 'gate', say => 'codes of plum_refuse',
        get => sub { join ', ', map { "$_ $_[0]{refuse}{$_}" }
            sort keys %{$_[0]{refuse}} }},
    {id => 'warnings', of => 'gate', say => 'nginx -t warns',
        get => sub { [map { $_->{text} } warned(@_)] }, order => 'more',
        weak => sub { map { ['weak', "nginx -t: $_->{text}", $_->{at}] }
            warned($_[1]) }},
);


# what is said above in other words is not said again

my $SAID = qr/"plum_tls\ off"\ on\ a\ public\ listen
    |"ssl_protocols"\ of\ the\ server\ allows\ less
    |"plum_idempotency"\ is\ off:\ replays\ pass/x;

sub warned { return grep { $_->{text} !~ $SAID } @{$_[0]{warnings}} }


sub rows { return @ROWS }


# neither an address of its own, nor a rule or a password

sub open_page {
    my ($page) = @_;

    my $access = $page->{access};
    return !$access->{auth_basic} && !defined $access->{auth_request}
        && !(grep { /\Adeny / } @{$access->{rules}})
        && (grep { !$_->{loopback} } @{$page->{listens}}) ? 1 : 0;
}


sub credential {
    my ($one) = @_;
    return "$one->{scheme} at " . ($one->{header} // $one->{path})
        . ", secret $one->{secret}";
}


sub where_to {
    my ($target) = @_;

    return 'nowhere' if !$target;
    return 'a place that only the request tells' if !$target->{module};
    return join ' ', $target->{module}, $target->{upstream},
        '(' . join(', ', @{$target->{addresses}}) . ')';
}


sub ms {
    my ($ms) = @_;

    for my $unit ([86400_000, 'd'], [3600_000, 'h'], [60_000, 'm'],
        [1000, 's'])
    {
        return $ms / $unit->[0] . $unit->[1] if $ms && $ms % $unit->[0] == 0;
    }
    return "${ms}ms";
}


# those a row can be about, by name

sub subjects {
    my ($of, $gate) = @_;

    return $of eq 'page' ? ('' => $gate) : () if $gate->{page};
    return ('' => $gate) if $of eq 'gate';
    return ('' => $gate->{store}) if $of eq 'store' && $gate->{store};
    return map { credential($_) => $_ } @{$gate->{signatures}}
        if $of eq 'signature';
    return map { $_->{name} => $_ } @{$gate->{queue}{consumers}}
        if $of eq 'consumer' && $gate->{queue};
    return ();
}


# weakenings of a gate: {level, rule, text, at}

sub findings {
    my ($gate) = @_;

    my (@found, %seen);
    for my $row (grep { $_->{weak} } @ROWS) {
        my @subjects = subjects($row->{of}, $gate);
        while (my ($name, $subject) = splice @subjects, 0, 2) {
            my $value = $row->{get}->($subject, $gate);
            next if !defined $value;
            for my $one ($row->{weak}->($value, $subject, $gate)) {
                my ($level, $text, $at) = @$one;
                $at //= $row->{at} && $row->{at}->($subject, $gate);
                $at //= $gate->{at};
                push @found, {level => $level, rule => $row->{id},
                    text => $text, at => $at}
                    if !$seen{"$level $text $at"}++;
            }
        }
    }
    return sort { ($a->{level} eq 'note') <=> ($b->{level} eq 'note') }
        @found;
}


# what differs between two states of a gate: {verdict, rule, what, text, at}

sub compare {
    my ($old, $new) = @_;

    my @found;
    for my $row (@ROWS) {
        my %one = subjects($row->{of}, $old);
        my %two = subjects($row->{of}, $new);
        for my $name (sort grep { exists $two{$_} } keys %one) {
            my ($was, $is) = map { $row->{get}->(@$_) }
                [$one{$name}, $old], [$two{$name}, $new];
            next if !defined $was || !defined $is;
            my $at = $row->{at} && $row->{at}->($two{$name}, $new);
            push @found, map { {%$_, rule => $row->{id},
                what => join(': ', grep({ length } $name), $row->{say}),
                at => $at // $new->{at}} }
                looser($row->{order} || 'changed', $was, $is, $row->{ranks});
        }
    }
    return @found;
}

1;
