// The project's own TypeScript files as syntax trees, for tests that hold the code to its rules.
// Parsed by the compiler's own API, which is why comments and strings are never mistaken for code.

import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import {
  isCallExpression,
  isExportDeclaration,
  isIdentifier,
  isImportDeclaration,
  isNamedImports,
  isNewExpression,
  isPropertyAccessExpression,
  isStringLiteral,
} from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';

export const ROOT = join(import.meta.dirname, '../..');

/** What one file brings in from elsewhere. */
export interface Import {
  readonly from: string;
  /** Named values; empty for types and for whole modules. */
  readonly values: readonly string[];
  readonly typeOnly: boolean;
  readonly reexport: boolean;
}

export interface SourceFileFacts {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
  /** Names used as values, dotted where they are (`Date.now`), and `new X()` without arguments. */
  readonly uses: ReadonlySet<string>;
  /**
   * Line numbers on which a string, template or regular expression stands that no formatter can
   * break.
   */
  readonly literalLines: ReadonlySet<number>;
}

/** Every file that tsconfig.json includes. */
export function readSourceTree(): SourceFileFacts[] {
  const api = new API({ cwd: ROOT });
  try {
    const snapshot = api.updateSnapshot({ openProject: join(ROOT, 'tsconfig.json') });
    const program = snapshot.getProjects()[0]?.program;
    if (program === undefined) throw new Error('tsconfig.json was not opened');
    return program
      .getSourceFileNames()
      .map((name) => ({ name, path: relative(ROOT, name).split(sep).join('/') }))
      .filter(({ path }) => /^(src|test|build)\//.test(path))
      .map(({ name, path }) => {
        const tree = program.getSourceFile(name);
        if (tree === undefined) throw new Error(`${path} was not parsed`);
        return factsOf(path, readFileSync(name, 'utf8'), tree);
      });
  } finally {
    api.close();
  }
}

/** A kind of literal that stays on one line however long it is. */
const LITERALS: readonly SyntaxKind[] = [
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateExpression,
  SyntaxKind.RegularExpressionLiteral,
];

/** Shorter literals are no excuse for a long line. */
const LONG_LITERAL = 40;

function factsOf(path: string, text: string, tree: Node): SourceFileFacts {
  const imports: Import[] = [];
  const uses = new Set<string>();
  const literalLines = new Set<number>();
  const visit = (node: Node): void => {
    if (isImportDeclaration(node) || isExportDeclaration(node)) {
      const found = importOf(node);
      if (found !== undefined) imports.push(found);
      return;
    }
    noteUse(node, uses);
    if (LITERALS.includes(node.kind) && node.end - node.pos > LONG_LITERAL) {
      const first = text.slice(0, node.end - node.getText().length).split('\n').length;
      const last = text.slice(0, node.end).split('\n').length;
      for (let line = first; line <= last; line += 1) literalLines.add(line);
    }
    node.forEachChild(visit);
  };
  tree.forEachChild(visit);
  return { path, lines: text.split('\n'), imports, uses, literalLines };
}

function importOf(node: Node): Import | undefined {
  if (isExportDeclaration(node)) {
    const from = node.moduleSpecifier;
    if (from === undefined || !isStringLiteral(from)) return undefined;
    return { from: from.text, values: [], typeOnly: node.isTypeOnly, reexport: true };
  }
  if (!isImportDeclaration(node) || !isStringLiteral(node.moduleSpecifier)) return undefined;
  const clause = node.importClause;
  const named = clause?.namedBindings;
  const values =
    named !== undefined && isNamedImports(named)
      ? named.elements
          .filter((element) => !element.isTypeOnly)
          .map((element) => (element.propertyName ?? element.name).text)
      : [];
  const typeOnly = clause !== undefined && clause.phaseModifier === SyntaxKind.TypeKeyword;
  return { from: node.moduleSpecifier.text, values, typeOnly, reexport: false };
}

/** `a.b`, and `a` where it starts such a chain; `a()`; `new A()` without arguments. */
function noteUse(node: Node, uses: Set<string>): void {
  if (isPropertyAccessExpression(node) && isIdentifier(node.expression)) {
    uses.add(`${node.expression.text}.${node.name.text}`);
    uses.add(node.expression.text);
  }
  if (isCallExpression(node) && isIdentifier(node.expression))
    uses.add(`${node.expression.text}()`);
  if (isNewExpression(node) && isIdentifier(node.expression)) {
    if ((node.arguments?.length ?? 0) === 0) uses.add(`new ${node.expression.text}()`);
  }
}
