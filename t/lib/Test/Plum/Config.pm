package Test::Plum::Config;

# What nginx -t says of a configuration.  The parts of a right one are given,
# and each case replaces one of them:
#
#   my $c = Test::Plum::Config->new(test => $t, template => $text,
#       parts => {on => 'plum on;', ...});
#   $c->refused(\*DATA);
#   $c->warned('a short key', key => 'plum_key a;', 'the key is short');
#   $c->silent('a long key', key => 'plum_key abcd;');
#
# The template has {name} where a part stands.  What is said ends with file
# and line: those of the part, of another one ("@name" in front of the text,
# or at => name), or of the line that is marked with #!.

use strict;
use warnings;

use Test::More ();


sub new {
    my ($class, %opt) = @_;
    return bless {heard => '', %opt}, $class;
}


# all that was said

sub heard { return $_[0]{heard} }


# nginx -t: its status, what it said, and the line

sub try_config {
    my ($self, $slot, $text, %opt) = @_;

    my %part = (%{$self->{parts}}, %{$opt{parts} || {}});
    $part{$slot} = $text =~ s/\\n/\n/gr if $slot;

    my $at = $opt{at} || $slot;
    my $marked = join('', values %part) =~ /#!/;
    $part{$at} = "#=\n$part{$at}" if $at && !$marked;

    my $t = $self->{test};
    my $template = $self->{template} =~ s/\{(\w+)\}/$part{$1}/gr;
    my $conf = $t->expand($template, test => 1);
    my $number = 0;
    my $line = 0;
    for my $row (split /\n/, $conf) {
        $number++;
        $line = $number + ($row =~ /#=/ ? 1 : 0) if $row =~ /#[=!]/;
    }

    my ($status, $said) = $t->test_config($conf);
    $self->{heard} .= $said;
    return ($status, $said, $t->path('config-test.conf') . ":$line");
}


# cases of a file: a part and its text, and in the next line what is said

sub refused {
    my ($self, $file) = @_;

    my $t = $self->{test};
    my ($slot, $text);
    while (defined(my $line = <$file>)) {
        chomp $line;
        next if $line =~ /\A(?:#.*)?\z/;

        if ($line =~ /\A(\w+) *(.*)\z/) {
            ($slot, $text) = ($1, $2);
            next;
        }

        my ($at, $message) = $line =~ /\A\s+(?:\@(\w+) )?(.*)\z/;
        my ($status, $said, $where) = $self->try_config($slot, $text,
            at => $at);
        my $conf = $t->path('config-test.conf');
        my $before = $where =~ s/(\d+)\z/$1 - 1/er;
        $message = $t->expand($message) =~ s/LINE_BEFORE/$before/r;
        Test::More::is($said, "nginx: [emerg] $message in $where\n"
            . "nginx: configuration file $conf test failed\n",
            "$slot: $text");
        Test::More::is($status, 1, 'and fails') if $status != 1;
    }
    return;
}


# allowed, and warned of once

sub warned {
    my ($self, $what, $slot, $text, $message, %opt) = @_;

    my ($status, $said, $where) = $self->try_config($slot, $text, %opt);
    Test::More::is($status, 0, "$what: allowed") or Test::More::diag($said);
    my @warnings = grep { /\[warn\]/ } split /\n/, $said;
    Test::More::is("@warnings", "nginx: [warn] $message in $where",
        "$what: said");
    return;
}


sub silent {
    my ($self, $what, $slot, $text, %opt) = @_;

    my ($status, $said) = $self->try_config($slot, $text, %opt);
    my $conf = $self->{test}->path('config-test.conf');
    Test::More::is($said, "nginx: the configuration file $conf syntax is ok\n"
        . "nginx: configuration file $conf test is successful\n", $what);
    return;
}

1;
