#!/usr/bin/perl

# Every scheme over the wire: the right credential passes, each way of being
# wrong has its reason; rotation.  Times, ids, templates and what stands in
# the body: signature_facts.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Crypt::PK::Ed25519;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my @SECRET = ('first/secret of many bytes', 'second/secret of many bytes');
my $OTHER = 'another secret of many bytes';
my $MARK = 'a-mark-in-every-body';
my $MISSING = 'credential_missing';
my $MALFORMED = 'credential_malformed';
my $MISMATCH = 'credential_mismatch';

# the parameters in the words of the directive; Plum::Sign calls id id_header
my %GENERIC = (
    sha512 => [qw(header=x-sig algorithm=sha512 prefix=v7: timestamp=x-time
        id=x-id), 'content={timestamp}|{id}|{body}'],
    base64 => [qw(header=x-sig algorithm=sha384 encoding=base64)],
    list => [qw(header=x-sig format=list prefix=s= timestamp=list:when),
        'content={timestamp}/{body}'],
);
my %MAC = (
    'standard-webhooks' => ['webhook-signature', 'v1,', 'base64'],
    svix => ['svix-signature', 'v1,', 'base64'],
    stripe => ['stripe-signature', 'v1=', 'hex'],
    github => ['x-hub-signature-256', 'sha256=', 'hex'],
    shopify => ['x-shopify-hmac-sha256', '', 'base64'],
    slack => ['x-slack-signature', 'v0=', 'hex'],
    sha512 => ['x-sig', 'v7:', 'hex'],
    base64 => ['x-sig', '', 'base64'],
    list => ['x-sig', 's=', 'hex'],
);

my $ed25519 = Crypt::PK::Ed25519->new->generate_key;
my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up,
    good => sub { return sign('github') });
my @spoken;

$t->secret("key$_", $SECRET[$_ - 1]) for 1, 2;
$t->secret('public', 'whpk_'
    . encode_base64($ed25519->export_key_raw('public'), ''));
configure(1, 2);
$t->run;
my @workers = $t->workers;

macs($_) for sort keys %MAC;
candidates($_, $MAC{$_}[0], 'v1,' . encode_base64('x' x 32, ''), ' ')
    for qw(standard-webhooks svix);
candidates('stripe', 'stripe-signature', 'v1=' . 'ab' x 32, ',');
candidates('list', 'x-sig', 's=' . 'ab' x 32, ',');
api_key();
ed25519();
both();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
rotation();

$cases->finish;
my $log = $t->error_log;
like($log, qr/plum: refused \(?\w+/, 'refusals have lines');
is_deeply([grep { index($log, $_) >= 0 } $MARK, @SECRET, $OTHER, @spoken], [],
    'which hold no secret, no signature, no body');
$t->done_testing;


sub configure {
    my @live = @_;

    my $secrets = join "\n", map { "plum_secret key %%TESTDIR%%/key$_;" }
        @live;
    my @presets = grep { !$GENERIC{$_} } sort(keys %MAC), 'api-key';
    my $locations = join "\n",
        (map { location($_, line('hmac', @{$GENERIC{$_}})) }
            sort keys %GENERIC),
        (map { location($_, line($_)) } @presets),
        location('v1a', 'plum_signature standard-webhooks secret=public;'),
        location('both', line('github'), line('api-key'));

    $t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    @{[Test::Plum::Cases->log_format]}
    keepalive_requests 100000;
    $secrets
    plum_secret public %%TESTDIR%%/public encoding=whpk;
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        @{[Test::Plum::Cases->access_log]}
        $locations
    }
}
CONF
    return;
}


sub line {
    my ($scheme, @more) = @_;
    return join(' ', "plum_signature $scheme secret=key",
        map { "\"$_\"" } @more) . ';';
}


sub location {
    my ($name, @lines) = @_;
    return "location /$name { plum on; @lines"
        . ' proxy_pass http://127.0.0.1:%%PORT_up%%; }';
}


# a signed request to the location of that name, as for signed()

sub sign {
    my ($name, %opt) = @_;

    my %parameters = map { /(.*?)=(.*)/s ? ($1 eq 'id' ? 'id_header' : $1, $2)
        : () } @{$GENERIC{$name} || []};
    my %request = $t->signed(uri => "/$name", secret => $SECRET[0],
        scheme => $GENERIC{$name} ? 'hmac' : $name,
        body => qq({"text":"$MARK","id":1}), %parameters, %opt);

    push @spoken, grep { length > 20 } map { $_->[1] } @{$request{headers}};
    return %request;
}


# the same with one header changed: code gets its value and returns values

sub change {
    my ($name, $header, $code, %opt) = @_;

    my %request = sign($name, %opt);
    my ($value) = map { $_->[1] } grep { lc $_->[0] eq $header }
        @{$request{headers}};
    my @values = $code->($value);
    push @spoken, grep { length > 20 } @values;
    $request{headers} = Plum::Sign::override($request{headers},
        @values ? [map { [$header, $_] } @values] : [[$header, undef]]);
    return {%request};
}


sub macs {
    my ($name) = @_;

    my ($header, $prefix, $encoding) = @{$MAC{$name}};
    my $bad = sub {
        my ($what, $want, $code) = @_;
        $cases->refuse("$name: $what", change($name, $header, $code), $want);
    };

    $cases->accept("$name: right", {sign($name)}, secret => 'key#1');
    $cases->accept("$name: the second secret",
        {sign($name, secret => $SECRET[1])}, secret => 'key#2');
    $cases->refuse("$name: another key", {sign($name, secret => $OTHER)},
        $MISMATCH);
    for my $change (['a word', sub { s/mark/larK/ }],
        ['a bit', sub { vec($_, 9 * 8, 1) ^= 1 }], ['longer', sub { $_ .= ' ' }],
        ['shorter', sub { chop }])
    {
        my %request = sign($name);
        $change->[1]->() for $request{body};
        $cases->refuse("$name: another body, $change->[0]", \%request,
            $MISMATCH);
    }

    $bad->('missing', $MISSING, sub { () });
    $bad->('empty', $MISSING, sub { '' });
    $bad->('twice', $MALFORMED, sub { ($_[0], $_[0]) });
    $bad->('a wrong one after it', $MALFORMED,
        sub { ($_[0], $_[0] =~ tr/0-9/1-90/r) });

    if ($prefix ne '') {
        my $place = qr/(?<![^ ,])\Q$prefix\E/;
        $bad->('another prefix', $MALFORMED,
            sub { $_[0] =~ s/$place/X$prefix/r });
        $bad->('no prefix', $MALFORMED, sub { $_[0] =~ s/$place//r });
        $bad->('the prefix alone', $MALFORMED,
            sub { $_[0] =~ s/$place\K.*//r });
    }
    $encoding eq 'hex' ? hex_forms($name, $header, $bad)
        : base64_forms($name, $header, $bad);
    return;
}


sub hex_forms {
    my ($name, $header, $bad) = @_;

    my $digits = qr/[0-9a-f]{64,}$/;
    $bad->('truncated', $MALFORMED, sub { substr $_[0], 0, -2 });
    $bad->('two digits', $MALFORMED, sub { $_[0] =~ s/$digits/ab/r });
    $bad->('odd', $MALFORMED, sub { substr $_[0], 0, -1 });
    $bad->('over-long', $MALFORMED, sub { "$_[0]00" });
    $bad->('far too long', $MALFORMED, sub { $_[0] . '0' x 2000 });
    $bad->('no hex', $MALFORMED, sub { $_[0] =~ s/.$/g/r });
    $bad->('a blank in it', $MALFORMED, sub { $_[0] =~ s/(?=.{9}$)/ /r });
    $bad->('0x', $MALFORMED, sub { $_[0] =~ s/(?=$digits)/0x/r });
    $cases->accept("$name: upper case",
        change($name, $header, sub { $_[0] =~ s/($digits)/uc $1/er }));
    return;
}


sub base64_forms {
    my ($name, $header, $bad) = @_;

    # a length that needs no padding gets one
    $bad->('padding', $MALFORMED,
        sub { $_[0] =~ /=$/ ? $_[0] =~ s/=+$//r : "$_[0]=" });
    $bad->('truncated', $MALFORMED, sub { $_[0] =~ s/.{4}$//r });
    $bad->('over-long', $MALFORMED, sub { $_[0] =~ s/(?==*$)/AAAA/r });
    $bad->('a blank in it', $MALFORMED, sub { $_[0] =~ s/(?=.{9}$)/ /r });
    $bad->('a tab in it', $MALFORMED, sub { $_[0] =~ s/(?=.{9}$)/\t/r });
    $bad->('hex', $MALFORMED, sub { $_[0] =~ s/[^,]+$/'ab' x 40/er });

    # until the MAC has a character in it that URLs spell in another way
    my ($try, %request, $mac) = (0);
    do {
        %request = sign($name, body => sprintf '{"try": %d}', ++$try);
        ($mac) = grep { $_->[0] eq $header } @{$request{headers}};
    } while $mac->[1] !~ m{[+/]};
    $mac->[1] =~ tr{+/}{-_};
    $cases->refuse("$name: URL-safe", \%request, $MALFORMED);
    return;
}


# the right signature among others that are well-formed

sub candidates {
    my ($name, $header, $other, $separator) = @_;

    my $case = sub {
        my ($what, $code, $want) = @_;
        my @case = ("$name: $what", change($name, $header, $code));
        return $want ? $cases->refuse(@case, $want) : $cases->accept(@case);
    };
    my $before = sub {
        my $others = join '', ("$other$separator") x $_[0];
        return sub { $_[0] =~ s/(?=v1|s=)/$others/r };
    };

    $case->("candidate $_", $before->($_ - 1)) for 2, 16;
    $case->('candidate 17', $before->(16), $MALFORMED);
    $case->('before 15 others', sub { $_[0] . "$separator$other" x 15 });
    $case->('before 16 others', sub { $_[0] . "$separator$other" x 16 },
        $MALFORMED);
    $case->('after one that is cut off',
        sub { $_[0] =~ s/(?=(v1.|s=))/$1ab$separator/r });
    $case->('after 30 of an unknown version',
        sub { 'v9,x=' . $separator x 30 . $_[0] });
    $case->('only the others', sub { $_[0] =~ s/(?:v1|s=).*/$other/r },
        $MISMATCH);
    $case->('v1a, which has no key here',
        sub { 'v1a,' . encode_base64('x' x 64, '') }, $MISMATCH)
        if $separator eq ' ';
    return;
}


sub api_key {
    my $bad = sub {
        my ($what, $want, $code) = @_;
        $cases->refuse("api-key: $what",
            change('api-key', 'x-api-key', $code), $want);
    };

    $cases->accept('api-key', {sign('api-key', secret => $SECRET[$_ - 1])},
        secret => "key#$_") for 1, 2;
    $bad->('missing', $MISSING, sub { () });
    $bad->('empty', $MISSING, sub { '' });
    $bad->('twice', $MALFORMED, sub { ($_[0], $_[0]) });
    $bad->('cut', $MISMATCH, sub { substr $_[0], 0, -1 });
    $bad->('longer', $MISMATCH, sub { "$_[0]s" });
    $bad->('case', $MISMATCH, sub { uc $_[0] });
    $bad->('both', $MISMATCH, sub { join ',', @SECRET });
    $bad->('long', $MISMATCH, sub { $_[0] x 200 });
    return;
}


sub ed25519 {
    my $whsk = 'whsk_' . encode_base64($ed25519->export_key_raw('private'), '');
    my @to = (uri => '/v1a', secret => Plum::Sign::secret($whsk, 'whsk'));
    my $change = sub { change('standard-webhooks', 'webhook-signature', $_[0],
        @to) };

    $cases->accept('v1a: right', {sign('standard-webhooks', @to)},
        secret => 'public#1');
    $cases->accept('v1a: after a v1',
        $change->(sub { 'v1,' . encode_base64('x' x 32, '') . " $_[0]" }));
    $cases->refuse('v1a: cut', $change->(sub { $_[0] =~ s/.{4}$//r }),
        $MALFORMED);
    $cases->refuse('v1a: as v1', $change->(sub { $_[0] =~ s/v1a/v1/r }),
        $MALFORMED);
    $cases->refuse('v1a: wrong',
        $change->(sub { $_[0] =~ s/,\K(..)/$1 eq 'AA' ? 'BB' : 'AA'/er }),
        $MISMATCH);
    $cases->refuse('v1a: an HMAC with the public key',
        {sign('standard-webhooks', uri => '/v1a',
            secret => $ed25519->export_key_raw('public'))}, $MISMATCH);
    return;
}


sub both {
    my $sign = sub {
        my ($key, @secret) = @_;
        return {sign('github', uri => '/both', @secret,
            headers => {'x-api-key' => $key})};
    };

    # keys are compared before bodies are read
    $cases->accept('two lines: both hold', $sign->($SECRET[1]),
        secret => 'key#2');
    $cases->refuse('two lines: no key', $sign->(undef), $MISSING);
    $cases->refuse('two lines: wrong key', $sign->($OTHER), $MISMATCH);
    $cases->refuse('two lines: wrong signature',
        $sign->($SECRET[0], secret => $OTHER), $MISMATCH);
    $cases->refuse('two lines: only the key',
        {sign('api-key', uri => '/both')}, $MISSING);
    return;
}


# old and new pass together, then the new one alone

sub rotation {
    configure(2);
    $cases->{good} = sub { return sign('github', secret => $SECRET[1]) };
    $cases->reload;

    $cases->accept("$_: the new secret alone",
        {sign($_, secret => $SECRET[1])}, secret => 'key#1')
        for 'api-key', sort keys %MAC;
    $cases->refuse("$_: the old secret", {sign($_)}, $MISMATCH)
        for 'api-key', sort keys %MAC;
    return;
}
