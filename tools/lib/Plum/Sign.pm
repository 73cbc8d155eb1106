package Plum::Sign;

# Signs a delivery in every scheme that ngx_plum_module verifies.  Written
# from the vendors' documentation, not from the module: each checks the other.
#
#   my $signer = Plum::Sign->new(scheme => 'standard-webhooks');
#   my @headers = $signer->headers(secret => $secret, id => 'msg_1',
#       ts => time, body => '{}');
#
# A secret is a string of raw bytes, what secret() returns, or an array of
# such: then a list scheme carries one signature for each.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use JSON::PP ();
use MIME::Base64 qw(encode_base64 encode_base64url decode_base64);
use POSIX qw(strftime);

my %SHOPLIKE = (prefix => '', format => 'plain');

# one row a preset, in the words of the plum_signature directive; timestamp is
# a header, or list:x for an item of the signature header itself.  Not a word
# of the directive: separator (of a list's items, where it is not the usual
# one) and time (how the sender spells a timestamp; seconds, if nothing is
# said)
my %PRESET = (
    'api-key' => {kind => 'key', header => 'x-api-key', prefix => ''},
    'body-token' => {kind => 'token'},
    'hmac' => {kind => 'mac', %SHOPLIKE, content => '{body}'},
    'standard-webhooks' => _svix('webhook'),
    'svix' => _svix('svix'),
    'stripe' => {
        kind => 'mac', header => 'stripe-signature', format => 'list',
        prefix => 'v1=', timestamp => 'list:t',
        content => '{timestamp}.{body}',
    },
    'github' => {
        kind => 'mac', header => 'x-hub-signature-256', format => 'plain',
        prefix => 'sha256=', content => '{body}',
    },
    'shopify' => {
        kind => 'mac', %SHOPLIKE, header => 'x-shopify-hmac-sha256',
        encoding => 'base64', content => '{body}',
    },
    'slack' => {
        kind => 'mac', header => 'x-slack-signature', format => 'plain',
        prefix => 'v0=', timestamp => 'x-slack-request-timestamp',
        content => 'v0:{timestamp}:{body}',
    },
    'twitch' => {
        kind => 'mac', header => 'twitch-eventsub-message-signature',
        format => 'plain', prefix => 'sha256=',
        timestamp => 'twitch-eventsub-message-timestamp', time => 'date',
        id_header => 'twitch-eventsub-message-id',
        content => '{id}{timestamp}{body}',
    },
    'hubspot' => {
        kind => 'mac', %SHOPLIKE, header => 'x-hubspot-signature-v3',
        encoding => 'base64', timestamp => 'x-hubspot-request-timestamp',
        time => 'ms', content => 'POSThttps://{header:Host}{uri}{body}'
            . '{timestamp}',
    },
    'zendesk' => {
        kind => 'mac', %SHOPLIKE, header => 'x-zendesk-webhook-signature',
        encoding => 'base64', time => 'date',
        timestamp => 'x-zendesk-webhook-signature-timestamp',
        content => '{timestamp}{body}',
    },
    'paddle' => {
        kind => 'mac', header => 'paddle-signature', format => 'list',
        separator => ';', prefix => 'h1=', timestamp => 'list:ts',
        content => '{timestamp}:{body}',
    },
    'zoom' => {
        kind => 'mac', header => 'x-zm-signature', format => 'plain',
        prefix => 'v0=', timestamp => 'x-zm-request-timestamp',
        content => 'v0:{timestamp}:{body}',
    },
    'meta' => {
        kind => 'mac', header => 'x-hub-signature-256', format => 'plain',
        prefix => 'sha256=', content => '{body}',
    },
    'pagerduty' => {
        kind => 'mac', header => 'x-pagerduty-signature', format => 'list',
        prefix => 'v1=', content => '{body}',
    },
    'linear' => {
        kind => 'mac', %SHOPLIKE, header => 'linear-signature',
        timestamp => 'json:webhookTimestamp', time => 'ms',
        content => '{body}',
    },
);

my %ENCODING = (
    hex => sub { unpack 'H*', $_[0] },
    base64 => sub { encode_base64($_[0], '') },
    'base64-unpadded' => sub { encode_base64($_[0], '') =~ s/=+\z//r },
    base64url => sub { encode_base64url($_[0]) },
);

my %TIME = (
    seconds => sub { $_[0] },
    ms => sub { $_[0] . '000' },
    date => sub { strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_[0]) },
);

my %HMAC = (
    sha256 => \&hmac_sha256, sha384 => \&hmac_sha384, sha512 => \&hmac_sha512,
);

my @PARAMETERS = qw(
    scheme algorithm header format prefix encoding content timestamp
    id_header
);


sub _svix {
    my ($name) = @_;

    return {
        kind => 'mac', header => "$name-signature", format => 'list',
        prefix => 'v1,', prefix_public => 'v1a,', encoding => 'base64',
        timestamp => "$name-timestamp", id_header => "$name-id",
        content => '{id}.{timestamp}.{body}',
    };
}


sub schemes { return sort keys %PRESET }
sub parameters { return @PARAMETERS }


# a preset with changes; dies with one clear sentence

sub new {
    my ($class, %change) = @_;

    my $scheme = delete $change{scheme};
    die "no scheme given\n" if !defined $scheme;
    my $preset = $PRESET{$scheme}
        or die "unknown scheme \"$scheme\"; known are: "
            . join(', ', schemes()) . "\n";

    my %known = map { $_ => 1 } @PARAMETERS;
    for my $name (keys %change) {
        die "unknown parameter \"$name\"\n" if !$known{$name};
        delete $change{$name} if !defined $change{$name};
    }

    my $self = bless {
        scheme => $scheme, algorithm => 'sha256', encoding => 'hex', %$preset,
        %change,
    }, $class;
    $self->_check;
    return $self;
}


sub _check {
    my ($self) = @_;

    return if $self->{kind} eq 'token';
    die "scheme $self->{scheme} needs a header name\n"
        if !defined $self->{header};
    return if $self->{kind} eq 'key';

    _one_of('algorithm', $self->{algorithm}, sort keys %HMAC);
    _one_of('encoding', $self->{encoding}, sort keys %ENCODING);
    _one_of('format', $self->{format}, qw(plain list));
    die "a list needs a prefix that ends with \"=\" or \",\"\n"
        if $self->{format} eq 'list' && $self->{prefix} !~ /[=,]\z/;

    my @bodies = $self->{content} =~ /\{body\}/g;
    die "the content must hold {body} exactly once\n" if @bodies != 1;
    return;
}


sub _one_of {
    my ($what, $value, @known) = @_;

    die "unknown $what \"$value\"; known are: @known\n"
        if !grep { $_ eq $value } @known;
    return;
}


# --- secrets

# the secret in a file's text: one trailing newline is not part of it.
# Encodings: raw, hex, base64, whsec, whsk

sub secret {
    my ($text, $encoding) = @_;

    $text =~ s/\r?\n\z//;
    die "the secret is empty\n" if $text eq '';
    $encoding = 'raw' if !defined $encoding;
    return {bytes => $text} if $encoding eq 'raw';

    if ($encoding eq 'hex') {
        die "the secret is not hex\n"
            if $text !~ /\A(?:[0-9a-fA-F]{2})+\z/;
        return {bytes => pack 'H*', $text};
    }

    return {bytes => _base64($text)} if $encoding eq 'base64';
    return {bytes => _base64($text =~ s/\Awhsec_//r)} if $encoding eq 'whsec';
    return _ed25519($text) if $encoding eq 'whsk';

    die "unknown secret encoding \"$encoding\";"
        . " known are: raw hex base64 whsec whsk\n";
}


sub _base64 {
    my ($text) = @_;

    die "the secret is not base64\n"
        if $text !~ m{\A[A-Za-z0-9+/]+={0,2}\z};
    return decode_base64($text);
}


# whsk_: base64 of the 32 bytes of the private key, then the public ones

sub _ed25519 {
    my ($text) = @_;

    my $bytes = _base64($text =~ s/\Awhsk_//r);
    die "an Ed25519 secret (whsk_) has 64 bytes, or the first 32 of them\n"
        if length $bytes != 64 && length $bytes != 32;
    return {ed25519 => substr $bytes, 0, 32};
}


# --- headers

# [name, value] pairs that prove the delivery.  Facts: secret, body, and as
# the scheme needs them: id, ts (as it is to be spelt), uri, extra (a hash of
# header values by lower-case name, for {header:Name})

sub headers {
    my ($self, %fact) = @_;

    my @secrets = map { ref $_ ? $_ : {bytes => $_} }
        ref $fact{secret} eq 'ARRAY' ? @{$fact{secret}} : $fact{secret};
    die "no secret given\n" if !@secrets || !defined $fact{secret};

    return if $self->{kind} eq 'token';
    if ($self->{kind} eq 'key') {
        die "this scheme needs a symmetric secret\n"
            if !defined $secrets[0]{bytes};
        return [$self->{header}, $self->{prefix} . $secrets[0]{bytes}];
    }

    die "a plain signature has one secret\n"
        if @secrets > 1 && $self->{format} eq 'plain';

    my $content = $self->content(%fact);
    my @items = map { $self->_signature($_, $content) } @secrets;
    return ($self->_facts(%fact),
        [$self->{header}, $self->_value(\@items, $fact{ts})]);
}


# a time, given in seconds, as the sender of this preset spells it

sub spelt_time {
    my ($self, $seconds) = @_;
    return $TIME{$self->{time} || 'seconds'}->($seconds);
}


# the bytes that are signed

sub content {
    my ($self, %fact) = @_;

    my %value = (
        '{body}' => $fact{body}, '{id}' => $fact{id},
        '{timestamp}' => $fact{ts}, '{uri}' => $fact{uri},
    );
    my $content = $self->{content};

    $content =~ s/(\{[^{}]*\})/
        my $token = $1;
        my $found = $token =~ m{\A\{header:(.+)\}\z}
            ? ($fact{extra} || {})->{lc $1} : $value{$token};
        die "nothing to put in place of $token\n" if !defined $found;
        $found/gex;
    return $content;
}


sub _facts {
    my ($self, %fact) = @_;

    my @headers;
    push @headers, [$self->{id_header}, $fact{id}]
        if _given($self->{id_header}) && defined $fact{id};
    push @headers, [$self->{timestamp}, $fact{ts}]
        if _given($self->{timestamp}) && defined $fact{ts}
            && $self->{timestamp} !~ /\A(?:list|json):/;
    return @headers;
}


sub _given {
    my ($value) = @_;
    return defined $value && $value ne '';
}


sub _signature {
    my ($self, $secret, $content) = @_;

    if (defined $secret->{ed25519}) {
        die "scheme $self->{scheme} knows no Ed25519 signature\n"
            if !defined $self->{prefix_public};
        my $mac = _sign_ed25519($secret->{ed25519}, $content);
        return $self->{prefix_public} . encode_base64($mac, '');
    }

    my $mac = $HMAC{$self->{algorithm}}->($content, $secret->{bytes});
    return $self->{prefix} . $ENCODING{$self->{encoding}}->($mac);
}


# loaded only here: HMAC needs nothing that Perl does not bring

sub _sign_ed25519 {
    my ($seed, $content) = @_;

    eval { require Crypt::PK::Ed25519; 1 }
        or die "Ed25519 needs Crypt::PK::Ed25519 (Debian: libcryptx-perl)\n";
    my $key = Crypt::PK::Ed25519->new;
    $key->import_key_raw($seed, 'private');
    return $key->sign_message($content);
}


# items are separated by what does not occur in them: "t=1,v1=ab" but
# "v1,ab v1,cd"

sub _value {
    my ($self, $items, $ts) = @_;

    return $items->[0] if $self->{format} eq 'plain';

    my @items = @$items;
    if (_given($self->{timestamp}) && $self->{timestamp} =~ /\Alist:(.+)/) {
        die "no timestamp given\n" if !defined $ts;
        unshift @items, "$1=$ts";
    }
    my $separator = $self->{separator}
        || ($self->{prefix} =~ /=\z/ ? ',' : ' ');
    return join $separator, @items;
}


# --- what stands in the body or on top

# body-token: puts the secret, as a JSON string's inside, where the body says
# {{token}}; the rest of the bytes stay as they are

sub fill_token {
    my ($body, $secret) = @_;

    my $bytes = ref $secret ? $secret->{bytes} : $secret;
    die "a body token needs a symmetric secret\n" if !defined $bytes;
    my $json = JSON::PP->new->allow_nonref->encode($bytes);
    $json =~ s/\A"(.*)"\z/$1/s;
    $body =~ s/\{\{token\}\}/$json/g;
    return $body;
}


# lays headers over headers: pairs, or a hash; an undefined value removes.  A
# name given more than once stays so

sub override {
    my ($headers, $over) = @_;

    my @over = !defined $over ? ()
        : ref $over eq 'HASH' ? map { [$_, $over->{$_}] } sort keys %$over
        : @$over;
    my %gone = map { lc $_->[0] => 1 } @over;
    my @pairs = @$headers;

    # a flat name, value in front is a convenience of the callers
    my @kept;
    while (@pairs) {
        my $pair = shift @pairs;
        $pair = [$pair, shift @pairs] if !ref $pair;
        push @kept, $pair if !$gone{lc $pair->[0]};
    }
    return [@kept, grep { defined $_->[1] } @over];
}

1;
