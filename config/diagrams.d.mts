export const diagrams: string;
export function drawDiagrams(): Promise<Readonly<Record<string, string>>>;
